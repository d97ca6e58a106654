package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// long is more than any test takes: what must not be waited for.
const long = "10m"

// A stubborn client does not answer FF 00, and does not close either.
func stubborn(t *testing.T, g gateway) *legacy.Conn {
	t.Helper()
	conn := g.open(legacy.Hixie76, "/stubborn")
	if got, err := conn.ReadText(); got != "welcome" {
		t.Fatalf("got %q, %v", got, err)
	}
	return conn
}

// closed waits until the gateway has said FF 00.
func closed(t *testing.T, conn *legacy.Conn) {
	t.Helper()
	if got, err := conn.ReadText(); err != io.EOF {
		t.Fatalf("got %q, %v; want FF 00", got, err)
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func terminate(t *testing.T, g gateway) {
	t.Helper()
	if err := g.signal(); err != nil {
		t.Fatal(err)
	}
}

// While a connection drains the gateway lives but is not ready.
func TestAdminWhileDraining(t *testing.T) {
	t.Parallel()
	admin, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_ADMIN="+admin, "WS76_CLOSE_TIMEOUT="+long, "WS76_DRAIN_TIMEOUT="+long)
	answers := func(path string, want int, body string) {
		t.Helper()
		if status, got := get(t, "http://"+admin+path); status != want || !strings.Contains(got, body) {
			t.Errorf("%s: %d %q, want %d and %q", path, status, got, want, body)
		}
	}
	answers("/healthz", 200, "ok")
	answers("/readyz", 200, "ok")
	answers("/nothing", 404, "")

	conn := stubborn(t, g)
	terminate(t, g)
	g.says(g.logged("draining"), map[string]any{"connections": 1, "seconds": 600})
	closed(t, conn)
	if c := b.next(t); c.code != 1001 {
		t.Errorf("the backend got Close %d, want 1001", c.code)
	}
	answers("/healthz", 200, "ok")
	answers("/readyz", 503, "draining")

	conn.Close()
	g.says(g.logged("connection closed"), map[string]any{"by": "gateway", "reason": "shutting-down"})
	g.says(g.logged("drained"), map[string]any{"connections": 1})
	if status := g.ended(); status != exitOK {
		t.Errorf("exit status %d, want %d:\n%s", status, exitOK, g.log())
	}
}

// The drain timeout ends what does not end by itself, and says so.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_CLOSE_TIMEOUT="+long, "WS76_DRAIN_TIMEOUT=50ms")
	closes := stubborn(t, g)
	terminate(t, g)
	if status := g.ended(); status != exitFailed {
		t.Errorf("exit status %d, want %d", status, exitFailed)
	}
	closed(t, closes)
	if want := `"error":"drain: not every connection was closed within WS76_DRAIN_TIMEOUT=50ms: `; !strings.Contains(g.log(), want) {
		t.Errorf("the log does not say %q:\n%s", want, g.log())
	}
	if strings.Contains(g.log(), `"drained"`) {
		t.Errorf("the log says drained:\n%s", g.log())
	}
}

// A second signal is not for us to catch: it ends the process at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		missing(t, "Windows has no SIGTERM")
	}
	admin, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_ADMIN="+admin, "WS76_CLOSE_TIMEOUT="+long, "WS76_DRAIN_TIMEOUT="+long)
	conn := stubborn(t, g)
	terminate(t, g)
	closed(t, conn)
	client := http.Client{Timeout: patience}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); { // the first signal may still be on its way
		g.signal()
		resp, err := client.Get("http://" + admin + "/healthz")
		if err != nil {
			break
		}
		resp.Body.Close()
	}
	state, err := g.wait()
	if err != nil {
		t.Fatal(err)
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %s, want the signal's own end", state)
	}
}

// What a path prefix is put before: the path, and nothing else of the target.
func TestBackendPathPrefix(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	for _, tt := range []struct{ prefix, target, want string }{
		{"", "/a?b=c", "/a?b=c"},
		{"/", "/a?b=c", "/a?b=c"},
		{"/app", "/a?b=/c", "/app/a?b=/c"},
		{"/app/", "/", "/app/"},
		{"/a%2Fb", "/%7Ec//d?", "/a%2Fb/%7Ec//d?"},
	} {
		g := startGateway(t, "WS76_BACKEND=ws://"+b.address+tt.prefix)
		r := legacy.NewRequest(legacy.Hixie76, &url.URL{Scheme: "ws", Host: g.listen})
		r.Resource = tt.target
		conn, err := r.Open(g.connect())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if c := b.next(t); c.path != tt.want {
			t.Errorf("prefix %q, target %q: the backend saw %q, want %q", tt.prefix, tt.target, c.path, tt.want)
		}
		g.terminate()
	}
}

// A backend whose certificate nobody vouches for is no backend.
func TestBackendCertificate(t *testing.T) {
	t.Parallel()
	address, trusted := tlsBackend(t, nil)
	for _, tt := range []struct {
		name   string
		set    []string
		status int
		log    string // what the error says
	}{
		{"unknown", []string{"WS76_BACKEND=wss://" + address}, 502, "certificate signed by unknown authority"},
		{"known", []string{"WS76_BACKEND=wss://" + address, "SSL_CERT_FILE=" + trusted}, 101, ""},
		{"other name", []string{"WS76_BACKEND=wss://localhost:" + port(address), "SSL_CERT_FILE=" + trusted}, 502, "not localhost"},
		{"own ca", []string{"WS76_BACKEND=wss://" + address, "WS76_BACKEND_CA=" + trusted}, 101, ""},
		{"another ca", []string{"WS76_BACKEND=wss://" + address, "WS76_BACKEND_CA=" + newPEM(t, "other").cert}, 502, "certificate signed by unknown authority"},
		{"server name", []string{"WS76_BACKEND=wss://localhost:" + port(address), "WS76_BACKEND_CA=" + trusted, "WS76_BACKEND_SERVER_NAME=example.com"}, 101, ""},
		{"other server name", []string{"WS76_BACKEND=wss://" + address, "WS76_BACKEND_CA=" + trusted, "WS76_BACKEND_SERVER_NAME=app.example"}, 502, "not app.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" && strings.HasPrefix(fmt.Sprint(tt.set[1:]), "[SSL_CERT_FILE=") {
				missing(t, "SSL_CERT_FILE is for Linux")
			}
			g := startGateway(t, tt.set...)
			r := legacy.NewRequest(legacy.Hixie76, &url.URL{Scheme: "ws", Host: g.listen, Path: "/"})
			conn := g.connect()
			if _, err := conn.Write(append(r.AppendHead(nil), r.Key3[:]...)); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status {
				t.Fatalf("status %s, want %d:\n%s", resp.Status, tt.status, g.log())
			}
			if tt.status == http.StatusBadGateway {
				body, err := io.ReadAll(resp.Body)
				if err != nil || !strings.HasPrefix(string(body), "502 Bad Gateway: backend-unreachable\n") {
					t.Errorf("body %q, %v", body, err)
				}
				line := g.logged("opening handshake refused")
				g.says(line, map[string]any{"dialect": 76, "status": 502, "reason": "backend-unreachable"})
				if text := fmt.Sprint(line["error"]); !strings.Contains(text, tt.log) {
					t.Errorf("the log says error=%s, want one that says %q", text, tt.log)
				}
			}
			conn.Close()
			g.terminate()
		})
	}
}

// A backend that wants a certificate gets ours, for plain requests too.
func TestBackendWantsCertificate(t *testing.T) {
	t.Parallel()
	pem := newPEM(t, "gateway")
	ours := x509.NewCertPool()
	ours.AddCert(pem.leaf)
	address, trusted := tlsBackend(t, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours})
	set := []string{"WS76_BACKEND=https://" + address, "WS76_BACKEND_CA=" + trusted}
	g := startGateway(t, set...)
	if status, _ := get(t, "http://"+g.listen+"/"); status != http.StatusBadGateway {
		t.Errorf("status %d without a certificate, want 502", status)
	}
	g = startGateway(t, append(set, "WS76_BACKEND_CERT="+pem.cert, "WS76_BACKEND_KEY="+pem.key)...)
	if status, _ := get(t, "http://"+g.listen+"/"); status == http.StatusBadGateway {
		t.Errorf("status %d with a certificate:\n%s", status, g.log())
	}
	conn := g.open(legacy.Hixie76, "/")
	if got, err := conn.ReadText(); got != "welcome" {
		t.Errorf("got %q, %v", got, err)
	}
}

// tlsBackend starts a backend with TLS. trusted is the file of its certificate.
func tlsBackend(t *testing.T, config *tls.Config) (address, trusted string) {
	t.Helper()
	server := httptest.NewUnstartedServer(&backend{ended: make(chan conversation, 1)})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, encodePEM("CERTIFICATE", server.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	return server.Listener.Addr().String(), trusted
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

func TestReachable(t *testing.T) {
	for listened, want := range map[string]string{
		":9076":          "127.0.0.1:9076",
		"0.0.0.0:9076":   "127.0.0.1:9076",
		"[::]:9076":      "127.0.0.1:9076",
		"127.0.0.2:9076": "127.0.0.2:9076",
		"[::1]:9076":     "[::1]:9076",
		"localhost:9076": "localhost:9076",
	} {
		if got := reachable(listened); got != want {
			t.Errorf("reachable(%s) = %s, want %s", listened, got, want)
		}
	}
}

// What net/http has to say of a backend is a line of the log like any other.
func TestUnsolicitedAnswerIsLogged(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	g := startGateway(t, "WS76_BACKEND=http://"+ln.Addr().String())
	answered := make(chan bool)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		http.ReadRequest(bufio.NewReader(conn))
		io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		<-answered
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		io.Copy(io.Discard, conn)
	}()
	client := g.connect() // stays, and with it the connection to the backend
	io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%v, %v, want 204", resp, err)
	}
	close(answered)
	line, err := g.next(func(line string) bool { return strings.Contains(line, "Unsolicited response") })
	if err != nil {
		t.Fatal(err)
	}
	g.says(fields(line), map[string]any{"@level": "warn", "@module": "ws76.http"})
}

// A hangup ended the process with all its connections, and later still while it
// drained.
func TestSIGHUP(t *testing.T) {
	t.Parallel()
	const ignored = "sighup ignored: certificates are reloaded when they change, other settings need a restart"
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_DRAIN_DELAY=1s")
	conn := g.open(legacy.Hixie76, "/")
	hangup := func() {
		t.Helper()
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		g.logged(ignored)
	}
	hangup()
	if got, err := conn.ReadText(); got != "welcome" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := g.signal(); err != nil {
		t.Fatal(err)
	}
	g.logged("draining")
	hangup()
	if err := readToEnd(conn); err != nil {
		t.Error(err)
	}
	conn.Close()
	g.logged("drained")
}

// A limit of descriptors that is too low for the connections that are allowed is said at
// the start.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		connections string
		warned      bool
	}{{"5000", true}, {"100", false}, {"off", false}} {
		p, err := startCommand(exec.Command("sh", "-c", "ulimit -n 1024 && exec ws76 serve"), "WS76_MAX_CONNECTIONS="+tt.connections)
		g := belongs(t, p, err)
		if warned := strings.Contains(g.log(), `"limit":1024,`) && strings.Contains(g.log(), `"needed":10064,`); warned != tt.warned {
			t.Errorf("WS76_MAX_CONNECTIONS=%s: warned: %t\n%s", tt.connections, warned, g.log())
		}
	}
}

// A client's idle connection is kept for WS76_KEEPALIVE_TIMEOUT.
func TestKeepaliveTimeout(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_KEEPALIVE_TIMEOUT=100ms")
	conn := g.connect()
	io.WriteString(conn, "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
	got, err := io.ReadAll(conn) // which takes a minute if the connection is kept
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 ") {
		t.Errorf("%q, %v", got, err)
	}
}
