package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Nothing of what one client sends may ever be taken for a request that it is
// not: by the gateway, by the backend behind it, or on a connection that a
// proxy shares between clients.

// An attack is a request with evil behind it. The gateway must see one request
// only, unless it is plain HTTP, where evil is the next one. At /mended a proxy
// may make a good handshake of it.
type attack struct {
	name    string
	request string
	status  int  // of the answer
	plain   bool // what follows is a request
}

const (
	hostLine  = "Host: h.example\r\n"
	wsLines   = "Upgrade: WebSocket\r\nConnection: Upgrade\r\n" + hostLine + "Origin: http://h.example\r\n"
	keyLines  = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"
	lines75   = " HTTP/1.1\r\n" + wsLines
	lines76   = lines75 + keyLines
	lines6455 = " HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + hostLine + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	chunked   = "Transfer-Encoding: chunked\r\n"
	key3      = "ABCDEFGH"
	evil      = "GET /evil HTTP/1.1\r\n" + hostLine + "Connection: close\r\n\r\n"
)

var attacks = []attack{
	{"76, refused by the backend", "GET /refuse" + lines76 + "\r\n" + key3, 403, false},
	{"75, refused by the backend", "GET /refuse" + lines75 + "\r\n", 403, false},
	{"75, refused by the backend, and key3", "GET /refuse" + lines75 + "\r\n" + key3, 403, false},
	{"6455, refused by the backend", "GET /refuse" + lines6455 + "\r\n", 403, false},
	{"6455, refused by the backend, and key3", "GET /refuse" + lines6455 + "\r\n" + key3, 403, false},
	{"version 8, refused by the backend", "GET /refuse" + strings.Replace(lines6455, ": 13", ": 8", 1) + "\r\n", 403, false},
	{"6455, refused for its version by the backend", "GET /old" + lines6455 + "\r\n", 426, false},
	{"6455, refused for its version by the gateway", "GET /agree" + strings.Replace(lines6455, ": 13", ": 1337", 1) + "\r\n", 426, false},
	{"76, refused for a key", "GET /agree" + strings.Replace(lines76, "4 @1  46546xW%0l 1 5", "no digits", 1) + "\r\n" + key3, 400, false},
	{"76, without Upgrade", "GET /agree HTTP/1.1\r\n" + hostLine + keyLines + "\r\n" + key3, 400, false},
	{"76, POST", "POST /agree" + lines76 + "\r\n" + key3, 405, false},
	{"6455, POST", "POST /agree" + lines6455 + "Content-Length: 0\r\n\r\n", 405, false},

	{"76, 8 declared, refused by the backend", "GET /refuse" + lines76 + "Content-Length: 8\r\n\r\n" + key3, 403, false},
	{"76, 16 declared", "GET /agree" + lines76 + "Content-Length: 16\r\n\r\n" + key3 + key3, 400, false},
	{"76, 8 and 16 declared", "GET /agree" + lines76 + "Content-Length: 8\r\nContent-Length: 16\r\n\r\n" + key3 + key3, 400, false},
	{"76, chunked", "GET /mended" + lines76 + chunked + "\r\n8\r\n" + key3 + "\r\n0\r\n\r\n", 400, false},
	{"76, chunked and 8 declared", "GET /agree" + lines76 + "Content-Length: 8\r\n" + chunked + "\r\n" + key3, 400, false},
	{"75, with a body", "GET /agree" + lines75 + "Content-Length: 8\r\n\r\n" + key3, 400, false},
	{"6455, with a body", "GET /agree" + lines6455 + "Content-Length: 8\r\n\r\n" + key3, 400, false},
	{"6455, chunked", "GET /mended" + lines6455 + chunked + "\r\n0\r\n\r\n", 400, false},

	{"76, the backend's 101 is bare", "GET /bare" + lines76 + "\r\n" + key3, 502, false},
	{"76, the backend's 101 has no Upgrade", "GET /no-upgrade" + lines76 + "\r\n" + key3, 502, false},
	{"76, the backend's 101 is of another handshake", "GET /accept" + lines76 + "\r\n" + key3, 502, false},
	{"76, the backend has an extension", "GET /extension" + lines76 + "\r\n" + key3, 502, false},
	{"76, the backend has a subprotocol", "GET /subprotocol" + lines76 + "\r\n" + key3, 502, false},
	{"76, the backend says 103, then 403", "GET /interim-refuse" + lines76 + "\r\n" + key3, 403, false},
	{"76, the backend talks", "GET /talk" + lines76 + "\r\n" + key3, 200, false},
	{"6455, the backend's 101 is bare", "GET /bare" + lines6455 + "\r\n", 502, false},
	{"6455, the backend's 101 has no Upgrade", "GET /no-upgrade" + lines6455 + "\r\n", 502, false},
	{"6455, the backend's 101 is of another handshake", "GET /accept" + lines6455 + "\r\n", 502, false},
	{"6455, the backend upgrades to something else", "GET /h2c" + lines6455 + "\r\n", 502, false},
	{"6455, the backend has an extension", "GET /extension" + lines6455 + "\r\n", 502, false},
	{"6455, the backend has a subprotocol", "GET /subprotocol" + lines6455 + "\r\n", 502, false},
	{"6455, the backend says 103, then 403", "GET /interim-refuse" + lines6455 + "\r\n", 403, false},
	{"6455, the backend talks", "GET /talk" + lines6455 + "\r\n", 200, false},

	{"plain, the backend's 101 is faked", "GET /agree HTTP/1.1\r\n" + hostLine + "\r\n", 502, true},
	{"plain, the backend's 101 is bare", "GET /bare HTTP/1.1\r\n" + hostLine + "\r\n", 502, true},
	{"plain, POST, the backend's 101 is faked", "POST /agree HTTP/1.1\r\n" + hostLine + "Content-Length: 2\r\n\r\nhi", 502, true},
	{"plain, h2c", "GET /other HTTP/1.1\r\n" + hostLine + "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200, true},
	{"plain, h2c, the backend upgrades", "GET /h2c HTTP/1.1\r\n" + hostLine + "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 502, true},
	{"plain, chunked and a length", "POST /other HTTP/1.1\r\n" + hostLine + fmt.Sprintf("Content-Length: %d\r\n", 5+len(evil)) + chunked + "\r\n0\r\n\r\n", 400, false},
	{"plain, two lengths", "POST /other HTTP/1.1\r\n" + hostLine + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 400, false},
	{"plain, chunked twice", "POST /other HTTP/1.1\r\n" + hostLine + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501, false},
	{"plain, chunked by another name", "POST /other HTTP/1.1\r\n" + hostLine + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, false},
	{"plain, CONNECT", "CONNECT h.example:80 HTTP/1.1\r\n" + hostLine + "\r\n", 501, false},
}

// smuggleProxies share their connections to the gateway between clients, and
// print each request line that they read.
var smuggleProxies = []struct {
	name, config string
	edit         []string
}{
	{"nginx", "nginx-http/nginx.conf", []string{
		"access_log off;", "log_format line '$request'; access_log /dev/stderr line; upstream gateway { server ws76:8076; keepalive 4; }",
		"proxy_pass http://ws76:8076;", "proxy_pass http://gateway;",
		"''      close;", "'' '';",
	}},
	{"HAProxy", "haproxy-sniff/haproxy.cfg", []string{
		"defaults\n", "defaults\n    log stdout format raw daemon\n    log-format \"%[capture.req.method] %[capture.req.uri] %[capture.req.ver]\"\n    http-reuse always\n",
	}},
}

func TestSmuggling(t *testing.T) {
	t.Parallel()
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		n, g := startSmuggling(t)
		(&smuggling{n: n, address: g.listen}).run(t)
	})
	for _, kind := range smuggleProxies {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			config := readProxy(t, kind.config, kind.edit...)
			n, g := startSmuggling(t)
			address, err := freeAddress()
			if err != nil {
				t.Fatal(err)
			}
			f := &proxy{config: config, address: address, gateway: g.listen}
			(&smuggling{n: n, address: address, proxy: f.start(t)}).run(t)
		})
	}
}

func startSmuggling(t *testing.T, settings ...string) (*notary, gateway) {
	n := startNotary(t)
	return n, startWatchedGateway(t, append(settings, "WS76_BACKEND=http://"+n.address, "WS76_DIAL_TIMEOUT=1s")...)
}

// smuggling is a place for attacks.
type smuggling struct {
	n       *notary
	address string
	proxy   *proxy // nil = none

	other   http.Client // another client, who keeps its connection
	asked   int         // by that one
	allowed []string    // lines of requests that a proxy may pass on unread
}

func (s *smuggling) run(t *testing.T) {
	s.other.Timeout = patience
	for _, a := range attacks {
		for _, late := range []bool{false, true} {
			name := a.name + ", in one segment"
			if late {
				name = a.name + ", late"
			}
			t.Run(name, func(t *testing.T) {
				s.attack(t, a, late)
				s.checkLines(t)
			})
		}
	}
}

// attack has another client ask before, during and after it.
func (s *smuggling) attack(t *testing.T, a attack, late bool) {
	s.askOther(t)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	line, _, _ := strings.Cut(a.request, "\r\n")
	s.allowed = append(s.allowed, line)
	if a.plain {
		s.allow("GET /evil HTTP/1.1")
	}
	out := a.request + evil
	if late {
		out = a.request
	}
	if _, err := io.WriteString(conn, out); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	switch resp.StatusCode {
	case a.status:
	case http.StatusSwitchingProtocols:
		if s.proxy == nil || !strings.HasPrefix(a.request, "GET /mended ") {
			t.Error("the handshake is good")
		}
		return
	case http.StatusOK: // a proxy may remove one of two framings
		if s.proxy == nil || !strings.Contains(a.request, chunked) {
			t.Error("the request is good")
		}
	default: // a proxy may have an error of its own
		if s.proxy == nil || resp.StatusCode < 400 {
			t.Errorf("status %d, want %d", resp.StatusCode, a.status)
		}
	}
	s.askOther(t)
	io.Copy(io.Discard, resp.Body)
	if late {
		if !resp.Close { // the handshake was legal HTTP, so this is its client's next request
			s.allowed = append(s.allowed, "GET /evil HTTP/1.1")
		}
		io.WriteString(conn, evil) // the connection may have ended
	}
	io.Copy(io.Discard, br)
	s.askOther(t)
}

// askOther checks that the other client gets the answer to what it asks.
func (s *smuggling) askOther(t *testing.T) {
	t.Helper()
	s.asked++
	path := fmt.Sprintf("/other/%d", s.asked)
	s.allow("GET " + path + " HTTP/1.1")
	resp, err := s.other.Get("http://" + s.address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); string(got) != toldOf("GET", path, nil) || err != nil {
		t.Errorf("another client got %s %q, %v for %s", resp.Status, got, err, path)
	}
}

// allow lets the backend see a request, unless it is for the proxy to read.
func (s *smuggling) allow(line string) {
	if s.proxy == nil {
		s.allowed = append(s.allowed, line)
	}
}

// checkLines compares what reached the backend with what was asked: by the
// test, and by what a proxy has taken for a request of the same client.
func (s *smuggling) checkLines(t *testing.T) {
	t.Helper()
	if got := s.n.takeCarried(); got != "" {
		t.Errorf("the backend got %q where no request is expected", got)
	}
	poll, timeout := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer poll.Stop()
	for {
		extra := without(s.n.since(0), append(s.printed(t), s.allowed...))
		if len(extra) == 0 {
			return
		}
		select {
		case <-poll.C: // the proxy prints a line when a request is over
			if s.proxy != nil {
				continue
			}
		case <-timeout:
		}
		t.Errorf("the backend got %q, which nobody asked", extra)
		s.allowed = append(s.allowed, extra...) // it is told once
		return
	}
}

// printed is the request lines that the proxy has read.
func (s *smuggling) printed(t *testing.T) []string {
	t.Helper()
	if s.proxy == nil {
		return nil
	}
	text, err := os.ReadFile(s.proxy.output)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// without is the lines that are not allowed, or more often than allowed.
func without(lines, allowed []string) (extra []string) {
	for _, line := range lines {
		if i := slices.Index(allowed, line); i >= 0 {
			allowed = slices.Delete(allowed, i, i+1)
		} else {
			extra = append(extra, line)
		}
	}
	return extra
}

// Behind a good handshake of -75 or -76 come frames, whatever they look like:
// evil is one of a reserved type, and dropped. Interim answers of the backend
// change nothing.
func TestSmugglingFrames(t *testing.T) {
	t.Parallel()
	n, g := startSmuggling(t, "WS76_CLOSE_TIMEOUT=200ms") // the notary does not close
	for _, path := range []string{"/agree", "/interim"} {
		for name, handshake := range map[string]string{
			"75":           "GET " + path + lines75 + "\r\n",
			"76":           "GET " + path + lines76 + "\r\n" + key3,
			"76, declared": "GET " + path + lines76 + "Content-Length: 8\r\n\r\n" + key3,
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				before := len(n.since(0))
				conn := g.connect()
				if _, err := io.WriteString(conn, handshake+evil+"\xff"+evil); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
					t.Fatalf("got %+v, %v; want 101", resp, err)
				}
				conn.Close()
				gateway{t, g.process}.logged("connection closed")
				if got := n.takeCarried(); strings.Contains(got, "evil") {
					t.Errorf("the backend got %q", got)
				}
				if got, want := n.since(before), []string{"GET " + path + " HTTP/1.1"}; !slices.Equal(got, want) {
					t.Errorf("the backend got %q, want %q", got, want)
				}
			})
		}
	}
}

// A connection on which the backend has answered 101 to a plain request was
// refused, and left open.
func TestSmugglingSwitched(t *testing.T) {
	t.Parallel()
	_, g := startSmuggling(t)
	before := g.sockets(t)
	for range 20 {
		if status, body := get(t, "http://"+g.listen+"/agree"); status != http.StatusBadGateway || !strings.Contains(body, "backend-bad-answer") {
			t.Errorf("got %d %q, want 502 backend-bad-answer", status, body)
		}
	}
	poll, timeout := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer poll.Stop()
	for after := g.sockets(t); after > before; after = g.sockets(t) {
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("%d sockets are open, %d before", after, before)
		}
	}
}
