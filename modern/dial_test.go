package modern_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/modern"
)

// mustOpen opens a connection that is closed when the test ends.
func mustOpen(t testing.TB, open way, d *modern.Dialer, r modern.Request) *modern.Backend {
	t.Helper()
	b, err := open(d, t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Conn.Close() })
	return b
}

// remainder is all that a backend sends behind its 101.
func remainder(t testing.TB, b *modern.Backend) string {
	t.Helper()
	rest, err := io.ReadAll(b.Conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b.Rest) + string(rest)
}

// greet is a server of another implementation: it says hello, then repeats
// what it is told until the Close.
func greet(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"superchat"}, CheckOrigin: func(*http.Request) bool { return true }}
	c, err := upgrader.Upgrade(w, r, http.Header{"Set-Cookie": {"a=1", "b=2"}})
	if err != nil {
		return
	}
	defer c.Close()
	c.WriteMessage(websocket.TextMessage, []byte("hello"))
	for {
		kind, data, err := c.ReadMessage()
		if err != nil {
			return
		}
		c.WriteMessage(kind, data)
	}
}

func TestDial(t *testing.T) {
	noLeaks(t)
	for id, secure := range map[string]bool{"plain": false, "tls": true} {
		t.Run(id, func(t *testing.T) {
			server := serveHTTP(t, secure, greet)
			d := &modern.Dialer{Address: server.Listener.Addr().String()}
			if secure {
				d.TLS = trusting(server)
			}
			eachWay(t, func(t *testing.T, open way) { converse(t, mustOpen(t, open, d, request)) })
		})
	}
}

// converse is a client of greet.
func converse(t *testing.T, b *modern.Backend) {
	t.Helper()
	if cookies := b.Header["Set-Cookie"]; b.Protocol != "superchat" || len(cookies) != 2 {
		t.Errorf("protocol %q, header %v", b.Protocol, b.Header)
	}
	b.Conn.Write(modern.AppendFrame(nil, true, modern.Binary, pattern(1000), testKey))
	b.Conn.Write(modern.AppendClose(nil, modern.NormalClosure, testKey))
	got := scan(t, &modern.Scanner{}, [][]byte{[]byte(remainder(t, b))})
	want := []event{{Ev: "text", Text: "hello"}, {Ev: "binary", Hex: fmt.Sprintf("%x", pattern(1000))}, {Ev: "close", Code: 1000}}
	if !reflect.DeepEqual(got.events, want) {
		t.Errorf("got  %+v\nwant %+v", got.events, want)
	}
}

// An address may be a name, and a request may have no header of its own.
func TestDialZeroRequest(t *testing.T) {
	noLeaks(t)
	_, port, _ := net.SplitHostPort(serve(t, answering(answer101)))
	eachWay(t, func(t *testing.T, open way) {
		b := mustOpen(t, open, &modern.Dialer{Address: net.JoinHostPort("localhost", port)}, modern.Request{Host: "a", Target: "/"})
		if b.Protocol != "" || remainder(t, b) != "" {
			t.Errorf("got %+v", b)
		}
	})
}

func TestDialAnswers(t *testing.T) {
	noLeaks(t)
	for id, test := range map[string]struct{ answer, protocol string }{
		"plain":              {answer101, ""},
		"subprotocol":        {plus(answer101, "Sec-WebSocket-Protocol: superchat"), "superchat"},
		"names-in-any-case":  {swap(answer101, "Sec-WebSocket-Accept", "SEC-WEBSOCKET-ACCEPT"), ""},
		"values-in-any-case": {swap(answer101, "Upgrade: websocket", "Upgrade: WebSocket"), ""},
		"list":               {swap(answer101, "Connection: Upgrade", "Connection: keep-alive, upgrade"), ""},
		"no-reason-phrase":   {swap(answer101, "101 Switching Protocols", "101"), ""},
		"interim":            {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer101, ""},
		"interims":           {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 5000) + answer101, ""},
		"bare-lf":            {strings.ReplaceAll(answer101, "\r\n", "\n"), ""},
		"interim-bare-lf":    {"HTTP/1.1 103 Early Hints\n\n" + strings.ReplaceAll(answer101, "\r\n\r\n", "\r\n\n"), ""},
		"long-line":          {plus(answer101, "A: "+strings.Repeat("a", 60_000)), ""},
	} {
		t.Run(id, func(t *testing.T) {
			behind := frames + "\r\n\r\n"
			address := serve(t, answering(test.answer+behind))
			eachWay(t, func(t *testing.T, open way) {
				b := mustOpen(t, open, &modern.Dialer{Address: address}, request)
				if got := remainder(t, b); b.Protocol != test.protocol || got != behind {
					t.Errorf("protocol %q, %q behind the head", b.Protocol, got)
				}
			})
		})
	}
}

// What comes in one segment with the 101 is neither lost nor read further.
func TestDialKeepsRest(t *testing.T) {
	noLeaks(t)
	for _, size := range []int{1, 500, 100_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			behind := string(pattern(size))
			address := serve(t, answering(answer101+behind))
			eachWay(t, func(t *testing.T, open way) {
				b := mustOpen(t, open, &modern.Dialer{Address: address}, request)
				if size <= 500 && len(b.Rest) != size {
					t.Errorf("Rest has %d bytes, want %d", len(b.Rest), size)
				}
				if got := remainder(t, b); got != behind {
					t.Errorf("%d bytes behind the head, want %d", len(got), size)
				}
			})
		})
	}
}

// A head may be cut anywhere. Over TLS each Write is a record and each Read
// takes at most one, so that the cuts arrive as they were made.
func TestDialCuts(t *testing.T) {
	noLeaks(t)
	server := serveHTTP(t, true, nil)
	answer := "HTTP/1.1 103 Early Hints\r\n\r\n" + answer101 + frames
	size := len(answer) - len("{accept}") + len(modern.AcceptKey(""))
	cut := make(chan int, 1)
	address := serve(t, func(conn net.Conn) {
		conn = tls.Server(conn, server.TLS)
		defer conn.Close()
		whole := accepting(answer, readHead(conn))
		for _, segment := range cuts([]byte(whole))[<-cut] {
			conn.Write(segment)
		}
	})
	d := &modern.Dialer{Address: address, TLS: trusting(server)}
	d.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1) // or most of the time goes into signatures
	for i := range size + 1 {
		cut <- i
		b, err := d.Dial(t.Context(), request)
		if err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		if got := remainder(t, b); got != frames {
			t.Errorf("cut %d: %q behind the head", i, got)
		}
		b.Conn.Close()
	}
}

// recording is a backend that says what it was asked.
func recording(heads chan<- string) func(net.Conn) {
	return func(conn net.Conn) {
		head := readHead(conn)
		heads <- head
		io.WriteString(conn, accepting(answer101, head))
	}
}

// A target goes out as it came in, whatever a URL would make of it.
func TestDialTarget(t *testing.T) {
	noLeaks(t)
	heads := make(chan string, 1)
	d := &modern.Dialer{Address: serve(t, recording(heads))}
	for _, target := range []string{
		"/", "/a|b", "/%zz", "/%", "/demo?", "/?", "//x", "//x/../y//", "/\u00e9?\u263a", "/\xff", "/%2F%2f", "/a;b,c'\"<>", "/#f",
		"/" + strings.Repeat("a", 20_000),
	} {
		t.Run(fmt.Sprintf("%.16q", target), func(t *testing.T) {
			r := request
			r.Target = target
			eachWay(t, func(t *testing.T, open way) {
				mustOpen(t, open, d, r)
				line, _, _ := strings.Cut(<-heads, "\r\n")
				if want := "GET " + target + " HTTP/1.1"; line != want {
					t.Errorf("got %.99q, want %.99q", line, want)
				}
			})
		})
	}
}

// The request is what RFC 6455 section 4.1 asks for, what the client sent, and
// nothing that Go would add.
func TestDialRequest(t *testing.T) {
	noLeaks(t)
	heads := make(chan string, 2)
	d := &modern.Dialer{Address: serve(t, recording(heads))}
	forwarded := http.Header{
		"Origin": {"http://example.com"}, "Cookie": {"a=1; b=2"}, "Authorization": {"Basic eDp5"},
		"X-Forwarded-For": {"192.0.2.1", "192.0.2.2"}, "Empty": {""},
	}
	with := func(h http.Header, name string, values ...string) http.Header {
		h = h.Clone()
		h[name] = values
		return h
	}
	for _, test := range []struct {
		id        string
		header    http.Header
		protocols []string
		want      http.Header
	}{
		{"nothing", nil, nil, http.Header{}},
		{"fields", forwarded, nil, forwarded},
		{"user-agent", with(forwarded, "User-Agent", "Mozilla/5.0"), nil, with(forwarded, "User-Agent", "Mozilla/5.0")},
		{"subprotocol", nil, []string{"chat"}, http.Header{"Sec-Websocket-Protocol": {"chat"}}},
		{"subprotocols", nil, []string{"chat", "superchat"}, http.Header{"Sec-Websocket-Protocol": {"chat, superchat"}}},
		{"a field in a subprotocol", nil, []string{"chat\r\nOwn: 1"}, http.Header{"Sec-Websocket-Protocol": {"chat  Own: 1"}}},
	} {
		t.Run(test.id, func(t *testing.T) {
			before := test.header.Clone()
			eachWay(t, func(t *testing.T, open way) {
				mustOpen(t, open, d, modern.Request{Host: "Example.com:8076", Target: "/", Header: test.header, Protocols: test.protocols})
				_, got := fields(t, <-heads)
				key, err := base64.StdEncoding.DecodeString(got.Get("Sec-Websocket-Key"))
				if len(key) != 16 || err != nil {
					t.Errorf("key %q", got["Sec-Websocket-Key"])
				}
				want := with(test.want, "Host", "Example.com:8076")
				want["Upgrade"], want["Connection"] = []string{"websocket"}, []string{"Upgrade"}
				want["Sec-Websocket-Version"], want["Sec-Websocket-Key"] = []string{"13"}, got["Sec-Websocket-Key"]
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			})
			if !reflect.DeepEqual(test.header, before) {
				t.Errorf("the caller's header has become %v", test.header)
			}
		})
	}
}

func TestDialKeysDiffer(t *testing.T) {
	noLeaks(t)
	heads := make(chan string, 2)
	d := &modern.Dialer{Address: serve(t, recording(heads))}
	for range 2 {
		mustOpen(t, (*modern.Dialer).Dial, d, request)
	}
	_, a := fields(t, <-heads)
	_, b := fields(t, <-heads)
	if a.Get("Sec-Websocket-Key") == b.Get("Sec-Websocket-Key") {
		t.Errorf("%q twice", a.Get("Sec-Websocket-Key"))
	}
}
