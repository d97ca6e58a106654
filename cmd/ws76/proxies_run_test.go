package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A proxy is a reverse proxy in a process of its own, between the address where
// clients connect and the gateway's.
type proxy struct {
	config           string // its text
	address, gateway string
	secure           bool // towards clients

	tls    *tls.Config // with which clients connect; nil = without
	cmd    *exec.Cmd
	output string // file of what it prints
	exit   chan struct{}
}

// documented finds the commands in the comment that a configuration begins
// with; what is in brackets behind one is about it.
var documented = regexp.MustCompile(`(?m)^[#;]\s+(check|run)\s+(.+?)(?:\s{2,}\(.*)?$`)

// proxyProgram is what the configuration is for.
func proxyProgram(text string) string {
	program, _, _ := strings.Cut(proxyCommand(text, "run"), " ")
	return program
}

// proxyCommand is empty if there is none: not every program has a check.
func proxyCommand(text, verb string) string {
	for _, line := range documented.FindAllStringSubmatch(text, -1) {
		if line[1] == verb {
			return line[2]
		}
	}
	return ""
}

// readProxy is a configuration of docker/proxies, as users copy it and, with
// pairs of old and new, as they change it. The test needs its program.
func readProxy(t *testing.T, name string, edit ...string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(root, "docker", "proxies", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	for pair := range slices.Chunk(edit, 2) {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("%s has no %q", name, pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	require(t, proxyProgram(text))
	for _, module := range loadModule.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(module[1]); err != nil {
			missing(t, "%v", err)
		}
	}
	return text
}

// loadModule is a line of nginx's that wants a file, which is a package of its own.
var loadModule = regexp.MustCompile(`(?m)^load_module (\S+);`)

// start checks and starts the proxy by the commands in its configuration, waits
// until it accepts connections, and ends it with the test.
func (f *proxy) start(t *testing.T) *proxy {
	t.Helper()
	dir := proxyDir(t)
	if f.secure {
		f.tls = certify(t, filepath.Join(dir, "tls.pem"))
	}
	file := filepath.Join(dir, "proxy.conf")
	if err := os.WriteFile(file, []byte(f.here(dir).Replace(f.config)), 0o644); err != nil {
		t.Fatal(err)
	}
	if check := proxyCommand(f.config, "check"); check != "" {
		if out, err := f.command(check, file).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", check, err, out)
		}
	}
	f.cmd, f.output = f.command(proxyCommand(f.config, "run"), file), filepath.Join(dir, "output")
	f.run(t)
	f.await(t)
	return f
}

// here replaces what is of another place in a configuration: the directory
// below /run, hosts and ports.
func (f *proxy) here(dir string) *strings.Replacer {
	_, port, _ := net.SplitHostPort(f.address)
	_, gatewayPort, _ := net.SplitHostPort(f.gateway)
	there := ownDir.FindString(f.config)
	if there == "" {
		there = "/run/none"
	}
	return strings.NewReplacer(there, dir, "ws76", "127.0.0.1", "8076", gatewayPort, "0.0.0.0", "127.0.0.1", "8080", port, "8443", port)
}

// ownDir is the directory below /run that a configuration uses, and pathTo
// stands for the configuration in the commands.
var (
	ownDir = regexp.MustCompile(`/run/[\w-]+`)
	pathTo = regexp.MustCompile(`/path/to/\S+`)
)

func (f *proxy) command(line, file string) *exec.Cmd {
	dir := filepath.Dir(file)
	line = pathTo.ReplaceAllLiteralString(f.here(dir).Replace(line), file)
	cmd := exec.Command("sh", "-c", "exec "+line)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	return cmd
}

// proxyDir is a temporary directory that a proxy can enter as another user
// than it was started by.
func proxyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (f *proxy) run(t *testing.T) {
	t.Helper()
	output, err := os.OpenFile(f.output, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.cmd.Stdout, f.cmd.Stderr, f.exit = output, output, make(chan struct{})
	ownGroup(f.cmd)
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.exit)
		defer output.Close()
		f.cmd.Wait()
	}()
	t.Cleanup(func() { f.end(t) })
}

func (f *proxy) await(t *testing.T) {
	t.Helper()
	poll, timeout := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer poll.Stop()
	for {
		conn, err := net.Dial("tcp", f.address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-poll.C:
		case <-f.exit:
			t.Fatalf("the proxy ended: %s", f.cmd.ProcessState)
		case <-timeout:
			t.Fatalf("the proxy does not listen: %v", err)
		}
	}
}

// mercy is how long a proxy may take to end in good order.
const mercy = 5 * time.Second

// end ends the proxy and all that it has started.
func (f *proxy) end(t *testing.T) {
	endGroup(f.cmd, false)
	select {
	case <-f.exit:
	case <-time.After(mercy):
	}
	endGroup(f.cmd, true)
	<-f.exit
	if printed, err := os.ReadFile(f.output); t.Failed() && err == nil {
		t.Logf("the proxy printed:\n%s", bytes.TrimSpace(printed))
	}
}

// certify writes a key and its certificate for 127.0.0.1 into one file, and is
// how a client trusts it.
func certify(t *testing.T, file string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), certificate...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// errTimeout is what a read comes back with when patience is over.
var errTimeout = os.ErrDeadlineExceeded

// dial connects from an address that a client of its own has.
func (f *proxy) dial() (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := dialer.Dial("tcp", f.address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	if f.tls != nil {
		conn = tls.Client(conn, f.tls)
	}
	return conn, nil
}
