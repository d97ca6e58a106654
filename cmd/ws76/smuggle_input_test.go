package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// plainHead and head76 begin requests that are good if nothing is added. What
// follows head76 is the draft's own key3 and the answer to it (-76 section 1.3).
const (
	plainHead = "GET /a HTTP/1.1\r\n" + hostLine
	head76    = "GET /agree" + lines76
	draftKey3 = "^n:ds[4U"
	draftSum  = "8jKS'y:G*Co,Wxa-"
)

// in76 is a handshake with one thing changed in its head.
func in76(old, new string) string {
	return strings.Replace(head76+"\r\n", old, new, 1) + draftKey3
}

// reasoned is the body of a refusal.
var reasoned = regexp.MustCompile(`^\d{3} [A-Z][A-Za-z ]+: [a-z0-9-]+\n.+\.\n`)

// What a request that came in may look like, and what the backend sees of it:
// method, target and host.
var inputs = []struct {
	name   string
	in     string
	status int
	saw    string // empty = nothing
}{
	{"plain", plainHead + "\r\n", 200, "GET /a h.example"},
	{"76", in76("", ""), 101, "GET /agree h.example"},

	{"absolute form", "GET http://other.example/a?b HTTP/1.1\r\n" + hostLine + "\r\n", 200, "GET /a?b other.example"},
	{"absolute form, no path", "GET http://other.example HTTP/1.1\r\n" + hostLine + "\r\n", 200, "GET / other.example"},
	{"absolute form, 76", in76("/agree", "ws://other.example/agree?b"), 101, "GET /agree?b other.example"},
	{"authority form", "GET h.example:80 HTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"authority form, 76", in76("/agree", "h.example:80"), 400, ""},
	{"asterisk form, 76", in76("/agree", "*"), 400, ""},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\n" + hostLine + "\r\n", 200, "OPTIONS * h.example"},
	{"asterisk form of GET", "GET * HTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"no slash", "GET a HTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"CONNECT", "CONNECT h.example:80 HTTP/1.1\r\n" + hostLine + "\r\n", 501, ""},
	{"CONNECT of a path", "CONNECT /a HTTP/1.1\r\n" + hostLine + "\r\n", 501, ""},
	{"fragment", "GET /a#b HTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"fragment, 76", in76("/agree", "/agree?b#c"), 400, ""},
	{"CONNECT, 76", in76("GET /agree", "CONNECT h.example:80"), 405, ""},
	{"double slash", "GET //other.example/a HTTP/1.1\r\n" + hostLine + "\r\n", 200, "GET //other.example/a h.example"},
	{"dots and escapes", "GET /x/../a/./%2e%2e/%2F HTTP/1.1\r\n" + hostLine + "\r\n", 200, "GET /x/../a/./%2e%2e/%2F h.example"},
	{"bad escape", "GET /a%zz HTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"bytes over 7F, 76", in76("/agree", "/agree?\xe9"), 101, "GET /agree?\xe9 h.example"},
	{"quotes, 76", in76("/agree", "/agree?\"<>^`%zz"), 101, "GET /agree?\"<>^`%zz h.example"},
	{"NUL in the target", "GET /a\x00 HTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"space in the target, 76", in76("/agree", "/agree b"), 400, ""},
	{"two spaces before the target", "GET  /a HTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"tabs in the request line", "GET\t/a\tHTTP/1.1\r\n" + hostLine + "\r\n", 400, ""},

	{"two Hosts", plainHead + hostLine + "\r\n", 400, ""},
	{"two Hosts, 76", in76(hostLine, hostLine+"Host: other.example\r\n"), 400, ""},
	{"no Host", "GET /a HTTP/1.1\r\n\r\n", 400, ""},
	{"no Host, 76", in76(hostLine, ""), 400, ""},
	{"empty Host, 76", in76("h.example", ""), 400, ""},
	{"Host with a path, 76", in76("h.example", "h.example/b"), 400, ""},
	{"Host with a space, 76", in76("h.example", "h. example"), 400, ""},

	{"HTTP/1.0", "GET /a HTTP/1.0\r\n" + hostLine + "\r\n", 200, "GET /a h.example"},
	{"HTTP/1.0, 76", in76("HTTP/1.1", "HTTP/1.0"), 400, ""},
	{"HTTP/2.0", "GET /a HTTP/2.0\r\n" + hostLine + "\r\n", 505, ""},
	{"HTTP/0.9", "GET /a\r\n\r\n", 400, ""},
	{"http/1.1", "GET /a http/1.1\r\n" + hostLine + "\r\n", 400, ""},
	{"method in lower case", "get /a HTTP/1.1\r\n" + hostLine + "\r\n", 200, "get /a h.example"},
	{"method in lower case, 76", in76("GET", "get"), 405, ""},
	{"names in lower case, 76", strings.NewReplacer("Upgrade:", "upgrade:", "Connection:", "connection:", "Host:", "host:", "Origin:", "origin:", "WebSocket-Key", "websocket-key").Replace(in76("", "")), 101, "GET /agree h.example"},
	{"names in upper case, 76", strings.NewReplacer("Upgrade:", "UPGRADE:", "Connection:", "CONNECTION:", "Host:", "HOST:", "Origin:", "ORIGIN:", "Sec-WebSocket-Key", "SEC-WEBSOCKET-KEY").Replace(in76("", "")), 101, "GET /agree h.example"},
	{"values in odd case, 76", in76("WebSocket\r\nConnection: Upgrade", "wEBsOCKET\r\nConnection: x, uPGRADE"), 101, "GET /agree h.example"},

	{"tab after the colon, 76", in76("Upgrade: ", "Upgrade:\t"), 101, "GET /agree h.example"},
	{"nothing after the colon, 76", strings.ReplaceAll(in76("", ""), ": ", ":"), 101, "GET /agree h.example"},
	{"space before the colon, 76", in76("Upgrade:", "Upgrade :"), 400, ""},
	{"no colon, 76", in76("Upgrade:", "Upgrade"), 400, ""},
	{"no name, 76", in76("Upgrade:", ":"), 400, ""},
	{"folded line, 76", in76("Upgrade: ", "Upgrade:\r\n "), 400, ""},
	{"folded key, 76", in76("46546xW", "\r\n\t46546xW"), 400, ""},
	{"folded line, bare LF, 76", strings.ReplaceAll(in76("Upgrade: ", "Upgrade:\r\n "), "\r\n", "\n"), 400, ""},
	{"folded line, 75", "GET /agree" + lines75 + "X: a\r\n b\r\n\r\n", 400, ""},
	{"folded line, 6455", "GET /agree" + lines6455 + "X: a\r\n b\r\n\r\n", 400, ""},
	{"folded line", plainHead + "X: a\r\n b\r\n\r\n", 200, "GET /a h.example"},
	{"folded first line", "GET /a HTTP/1.1\r\n X: b\r\n" + hostLine + "\r\n", 400, ""},
	{"bare LF", strings.ReplaceAll(plainHead, "\r\n", "\n") + "\n", 200, "GET /a h.example"},
	{"bare LF, 76", strings.ReplaceAll(in76("", ""), "\r\n", "\n"), 101, "GET /agree h.example"},
	{"bare CR in a value, 76", in76("http://h", "http://\rh"), 400, ""},
	{"NUL in a value, 76", in76("http://h", "http://\x00h"), 400, ""},
	{"NUL in a name", plainHead + "X\x00: b\r\n\r\n", 400, ""},
	{"NUL in a key", in76("4 @1", "4\x00@1"), 400, ""},
	{"empty line first", "\r\n" + plainHead + "\r\n", 200, "GET /a h.example"}, // RFC 9112 section 2.2
	{"not HTTP", "\x00\x01\x02\x03\r\n\r\n", 400, ""},

	{"100 kB of target", "GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\n" + hostLine + "\r\n", 431, ""},
	{"17 kB of head, 76", in76(keyLines, keyLines+"X: "+strings.Repeat("a", 17<<10)+"\r\n"), 431, ""},
	{"15 kB of head, 76", in76(keyLines, keyLines+"X: "+strings.Repeat("a", 15<<10)+"\r\n"), 101, "GET /agree h.example"},
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	n, g := startSmuggling(t)
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			before := len(n.since(0))
			conn := g.connect()
			go io.WriteString(conn, in.in) // not all of it may be read
			br := bufio.NewReader(conn)
			head, err := legacy.ReadHead(br)
			if err != nil {
				t.Fatal(err)
			}
			if status := strconv.Itoa(in.status); strings.Fields(string(head))[1] != status {
				t.Errorf("the answer is\n%swant %s", head, status)
			}
			switch {
			case in.status == http.StatusSwitchingProtocols:
				sum := make([]byte, len(draftSum))
				if _, err := io.ReadFull(br, sum); err != nil || string(sum) != draftSum {
					t.Errorf("challenge response %q, %v; want %q", sum, err, draftSum)
				}
			case in.saw == "":
				body, err := io.ReadAll(br)
				if errors.Is(err, errTimeout) {
					t.Errorf("the connection does not end: %v", err)
				}
				if !reasoned.Match(body) {
					t.Errorf("the body is %q, want a reason", body)
				}
			}
			saw := ""
			if lines := n.since(before); len(lines) > 0 {
				saw = strings.TrimSuffix(strings.Join(lines, "\n"), " HTTP/1.1") + " " + n.lastHost()
			}
			if saw != in.saw {
				t.Errorf("the backend saw %q, want %q", saw, in.saw)
			}
		})
	}
}

// The gateway looked at the head it remembers while net/http, which is content
// with bare LF, went on reading into it: a data race.
func TestBadInputBareLF(t *testing.T) {
	t.Parallel()
	_, g := startSmuggling(t)
	head := strings.ReplaceAll(head76+"\r\n", "\r\n", "\n")
	for range 300 {
		conn := g.connect()
		for _, segment := range []string{head, draftKey3} {
			if _, err := io.WriteString(conn, segment); err != nil {
				t.Fatal(err)
			}
		}
		br := bufio.NewReader(conn)
		answer, err := legacy.ReadHead(br)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") {
			t.Fatalf("the answer is %q, %v", answer, err)
		}
		conn.Close()
	}
}

// headTimeout is enough for a head that comes in one go, or byte by byte.
const headTimeout = time.Second

func TestBadInputSlow(t *testing.T) {
	t.Parallel()
	n := startNotary(t)
	g := startWatchedGateway(t, "WS76_BACKEND=http://"+n.address, "WS76_HEAD_TIMEOUT="+headTimeout.String())
	for name, run := range map[string]func(*testing.T, net.Conn){
		"byte by byte":    byteByByte,
		"head unfinished": unfinished,
		"head in drops":   drops,
		"endless head":    endless,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, gateway{t, g.process}.connect())
		})
	}
}

func byteByByte(t *testing.T, conn net.Conn) {
	for _, b := range []byte(in76("", "")) {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	br := bufio.NewReader(conn)
	head, err := legacy.ReadHead(br)
	if err != nil || !strings.HasPrefix(string(head), "HTTP/1.1 101 ") {
		t.Fatalf("the answer is %q, %v", head, err)
	}
	sum := make([]byte, len(draftSum))
	if _, err := io.ReadFull(br, sum); err != nil || string(sum) != draftSum {
		t.Errorf("challenge response %q, %v; want %q", sum, err, draftSum)
	}
}

func unfinished(t *testing.T, conn net.Conn) {
	began := time.Now()
	if _, err := io.WriteString(conn, head76); err != nil {
		t.Fatal(err)
	}
	endsInTime(t, conn, began)
}

// drops sends a head that would take minutes, but always something.
func drops(t *testing.T, conn net.Conn) {
	began := time.Now()
	pace := time.NewTicker(headTimeout / 20)
	go func() {
		defer pace.Stop()
		for _, b := range []byte(head76 + "X: " + strings.Repeat("a", 4096)) {
			<-pace.C
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
		}
	}()
	endsInTime(t, conn, began)
}

// endsInTime waits for the end of a connection whose head is late: it gets 408, or nothing
// if nothing of the head has come.
func endsInTime(t *testing.T, conn net.Conn, began time.Time) {
	t.Helper()
	got, err := io.ReadAll(conn)
	if errors.Is(err, errTimeout) || len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 408 ") {
		t.Errorf("got %q, %v; want the end of the connection", got, err)
	}
	if took := time.Since(began); took < headTimeout*9/10 || took > patience/2 {
		t.Errorf("the connection ended after %s, want %s", took, headTimeout)
	}
}

// endless sends fields for as long as the gateway reads them.
func endless(t *testing.T, conn net.Conn) {
	go func() {
		io.WriteString(conn, plainHead)
		for {
			if _, err := io.WriteString(conn, "X-Field: value\r\n"); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", resp.StatusCode)
	}
}
