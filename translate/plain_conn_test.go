package translate_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// Two clients never share a connection to the backend, so that a login by NTLM or
// Negotiate on one serves nobody else. What broke: it did.
func TestPlainConnectionsAreNotShared(t *testing.T) {
	r := newRig(t)
	one, other := r.dial(), r.dial()
	ask := func(c *client, b *backendConn, fields string) *backendConn {
		t.Helper()
		c.say("GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n")
		if b == nil {
			b = r.backend.next()
		} else if err := b.readRequest(); err != nil {
			t.Fatal(err)
		}
		b.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		if got := body(c.br, http.MethodGet); got != "ok" {
			t.Fatalf("got %q", got)
		}
		return b
	}
	b := ask(one, nil, "Authorization: Negotiate YII=\r\n")
	ask(other, nil, "")
	ask(one, b, "")
	r.backend.untouched()
}

// A kept connection that the backend closes instead of responding: the request goes once
// more on a new one, or its client hears nothing but the end, and decides itself. It is
// never 502.
func TestPlainStaleConnection(t *testing.T) {
	for _, test := range []struct {
		request string
		again   bool
	}{
		{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
		{"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", true},
		{"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", false},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", false},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", false},
		{"POST / HTTP/1.1\r\nHost: h\r\nIdempotency-Key: x\r\nContent-Length: 0\r\n\r\n", false},
		{"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", false},
		{"DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", false},
	} {
		for _, rst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%.40q-%t", test.request, rst), func(t *testing.T) {
				r := newRig(t)
				c := r.dial()
				c.say("GET /first HTTP/1.1\r\nHost: h\r\n\r\n")
				b := r.backend.next()
				b.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if got := body(c.br, http.MethodGet); got != "ok" {
					t.Fatalf("got %q", got)
				}
				c.say(test.request)
				if err := b.readRequest(); err != nil {
					t.Fatal(err)
				}
				if io.Copy(io.Discard, b.request.Body); rst {
					reset(b.TCPConn)
				} else {
					b.Close()
				}
				if !test.again {
					c.end("")
					r.backend.untouched()
					return
				}
				b = r.backend.next()
				if got, want := b.request.Method, strings.Fields(test.request)[0]; got != want {
					t.Errorf("the backend got %s, want %s", got, want)
				}
				b.Close() // on a new connection it is a fault
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil || resp.StatusCode != http.StatusBadGateway {
					t.Errorf("got %+v, %v", resp, err)
				}
			})
		}
	}
}

// A client that leaves while the backend is asked is noticed, whatever is behind its
// request, and in each way that TCP knows. What broke: a byte behind the request hid it.
func TestPlainClientLeaves(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	for id, request := range map[string]string{
		"alone": get, "a byte behind": get + "G", "pipelined": get + get,
		"half a body": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello",
		"a long body": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n" + noise(2<<20),
	} {
		for how, leave := range map[string]func(c *client){
			"fin": func(c *client) { c.Close() }, "half": func(c *client) { c.CloseWrite() }, "rst": func(c *client) { reset(c.TCPConn) },
		} {
			t.Run(id+"-"+how, func(t *testing.T) {
				r := newRig(t)
				c := r.dial()
				sent := make(chan bool)
				go func() {
					defer close(sent)
					io.WriteString(c, request) // a reset may come in between
				}()
				b := r.backend.next()
				if id != "a long body" {
					<-sent
				} else if how != "rst" { // a FIN behind what nobody reads does not arrive
					io.CopyN(io.Discard, b.br, 2<<20)
					<-sent
				}
				leave(c)
				io.Copy(io.Discard, b.br) // to its end
				eventually(t, func() bool { return r.gw.Stats().RequestsRefused[translate.ClientLeft] == 1 }, func() any { return r.gw.Stats().RequestsRefused })
				r.log.want(t, "request not proxied", map[string]any{"reason": "client-left"})
				r.backend.untouched()
			})
		}
	}
}

// Queries are often secret. None is in the log, whatever is wrong with the request.
func TestQueriesAreNotLogged(t *testing.T) {
	r := newRig(t)
	heads := []string{
		"GET /chat?token=SECRET#frag HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a,b/chat?SECRET HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET //x|y?SECRET HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:80?SECRET HTTP/1.1\r\nHost: a\r\n\r\n", "GET a?SECRET HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET mailto:a?SECRET HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://SECRET@a,b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET ?SECRET HTTP/1.1\r\nHost: a\r\n\r\n",
		"TRACE /?SECRET HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?SECRET HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "GET /?SECRET HTTP/3.0\r\nHost: a\r\n\r\n",
	}
	for _, name := range []string{"75", "76", "8", "13"} {
		for _, target := range []string{"/demo?SECRET#f", "demo?SECRET", "http://a,b/?SECRET"} {
			heads = append(heads, strings.Replace(requests[name], "/demo", target, 1))
		}
		heads = append(heads, strings.Replace(strings.Replace(requests[name], "/demo", "/demo?SECRET", 1), "\r\n\r\n", "\r\nOrigin: http://SECRET\r\nOrigin: http://SECRET\r\n\r\n", 1))
	}
	for _, head := range heads {
		c := r.dial()
		c.say(head)
		if answer, _ := io.ReadAll(c.br); !strings.HasPrefix(string(answer), "HTTP/1.1 4") && !strings.HasPrefix(string(answer), "HTTP/1.1 5") {
			t.Errorf("%q: got %.50q", head, answer)
		}
	}
	c := r.dial()
	c.say("GET /?SECRET HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	r.backend.next().Close()
	c.all()
	r.log.find(t, "request not proxied")
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	if len(r.log.lines) <= len(heads) {
		t.Errorf("%d lines for %d requests", len(r.log.lines), len(heads)+1)
	}
	for _, line := range r.log.lines {
		if strings.Contains(fmt.Sprint(line), "SECRET") {
			t.Errorf("the log has %v", line)
		}
	}
}

// A listener may hand out connections that cannot end their half, and a server may be one
// that cannot hand out connections.
func TestPoorConnections(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, poorListener{listen(t)})
	c := r.dial()
	c.say(with(head76, "Sec-WebSocket-Draft: 3\r\n"))
	checkRefusal(t, c, 400, "draft-unsupported")
	c = r.dial()
	c.say("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999\r\n\r\n")
	r.backend.next().say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
	if got := c.all(); !strings.HasSuffix(got, "\r\n\r\nno") {
		t.Errorf("got %q", got)
	}

	w := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "/", nil)
	request.Header = http.Header{"Upgrade": {"WebSocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Draft": {"3"}}
	r.gw.ServeHTTP(w, request)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "draft-unsupported") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

// Where a server cannot hand out the connection of an accepted client, nobody is joined
// with the backend: it is told so, and its connection ends.
func TestAcceptedButNotHandedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head75)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.gw.ServeHTTP(httptest.NewRecorder(), request)
	}()
	b := r.backend.next()
	b.accept()
	b.end(bye(1001))
	b.over()
	<-done
	r.refused(legacy.Hixie75, translate.ClientLeft)
	if s := r.gw.Stats(); len(s.Open) > 0 {
		t.Errorf("open %v", s.Open)
	}
}

type poorListener struct{ net.Listener }

func (l poorListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}

// A page that a proxy asks for with Upgrade, but nothing else of a handshake, arrives
// whole.
func TestPlainWithUpgrade(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.say("GET /page HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
	page := noise(200 << 10)
	b := r.backend.next()
	if _, there := b.request.Header["Upgrade"]; there || b.request.Header.Get("Sec-Websocket-Key") != "" {
		t.Errorf("the backend got %v", b.request.Header)
	}
	go fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
	if got := body(c.br, http.MethodGet); got != page {
		t.Errorf("got %d of %d bytes", len(got), len(page))
	}
}

// A field of a response whose name has a space before its colon is not lost.
func TestPlainSpaceBeforeColon(t *testing.T) {
	r := newRig(t)
	for response, want := range map[string]string{
		"200 OK\r\nSet-Cookie : a=1\r\nContent-Length: 2\r\n\r\nok": "a=1",
		"200 OK\r\nContent-Length : 2\r\n\r\nok":                    "",
	} {
		c := r.dial()
		c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		b := r.backend.next()
		b.say("HTTP/1.1 " + response)
		b.CloseWrite()
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil || resp.Header.Get("Set-Cookie") != want || (resp.StatusCode == 200) != (want != "") {
			t.Errorf("%q: got %+v, %v", response, resp, err)
		}
	}
}

// The fields of RFC 6455 keep their spelling, which some clients and backends compare.
func TestFieldSpelling(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.say(with(requests["13"], "Sec-WebSocket-Protocol: ocpp1.6\r\n"))
	b := r.backend.connected()
	head := readHead(t, &client{TCPConn: b.TCPConn, TB: t, br: b.br})
	for _, want := range []string{"\r\nSec-WebSocket-Key: ", "\r\nSec-WebSocket-Version: 13\r\n", "\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("the backend got %q without %q", head, want)
		}
	}
	b.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n")
	head = readHead(t, c)
	for _, want := range []string{"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("the client got %q without %q", head, want)
		}
	}
}
