package translate_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/wiretest"
)

// serveGateway runs a gateway in front of a backend and returns its address.
func serveGateway(t *testing.T, backend string, change func(*translate.Options)) string {
	t.Helper()
	o := translate.Options{Backend: modern.Dialer{Address: backend}, PreserveHost: true}
	if change != nil {
		change(&o)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := translate.New(o)
	done := make(chan error, 1)
	go func() { done <- g.Serve(ln) }()
	t.Cleanup(func() {
		g.Shutdown(t.Context())
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// echoBackend is a gorilla server: strict, version 13, with compression.
func echoBackend(t *testing.T, seen func(*http.Request), ended func(error)) string {
	upgrader := websocket.Upgrader{
		EnableCompression: true,
		Subprotocols:      []string{"chat"},
		CheckOrigin:       func(*http.Request) bool { return true },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen(r)
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil {
				ended(err)
				return
			}
			if err := conn.WriteMessage(kind, message); err != nil {
				ended(err)
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func TestTunnelWithDeflate(t *testing.T) {
	seen, ended := make(chan *http.Request, 1), make(chan error, 1)
	address := serveGateway(t, echoBackend(t, func(r *http.Request) { seen <- r }, func(err error) { ended <- err }), nil)
	dialer := websocket.Dialer{EnableCompression: true, Subprotocols: []string{"other", "chat"}}
	conn, resp, err := dialer.Dial("ws://"+address+"/a%7eb?c=d", http.Header{"Origin": {"http://page.example"}, "Cookie": {"a=1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := <-seen
	if r.RequestURI != "/a%7eb?c=d" || r.Host != address || r.Header.Get("Origin") != "http://page.example" || r.Header.Get("Cookie") != "a=1" {
		t.Errorf("backend saw %s %s %v", r.RequestURI, r.Host, r.Header)
	}
	if got := resp.Header.Get("Sec-Websocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
		t.Errorf("extensions %q, want permessage-deflate", got)
	}
	if conn.Subprotocol() != "chat" {
		t.Errorf("subprotocol %q, want chat", conn.Subprotocol())
	}
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 3 << 20} {
		message := bytes.Repeat([]byte("ab\xff\x00"), size/4+1)[:size]
		if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "bye"))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 4001) {
		t.Errorf("client's end: %v, want the backend's Close 4001", err)
	}
	if err := <-ended; !websocket.IsCloseError(err, 4001) {
		t.Errorf("backend's end: %v, want the client's Close 4001", err)
	}
}

// Frames that are glued to either head pass.
func TestTunnelGluedFrames(t *testing.T) {
	got := make(chan string, 1)
	backend := wiretest.Serve(t, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi",
			modern.AcceptKey(r.Header.Get("Sec-Websocket-Key")))
		all, _ := io.ReadAll(br)
		got <- string(all)
	})
	conn := dialTCP(t, serveGateway(t, backend, nil))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x82\x00\x00\x00\x00yo")
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("answer %v, %v", resp, err)
	}
	frame := make([]byte, 4)
	if _, err := io.ReadFull(br, frame); err != nil || string(frame) != "\x81\x02hi" {
		t.Fatalf("backend's frame: %q, %v", frame, err)
	}
	conn.(*net.TCPConn).CloseWrite()
	if all := <-got; all != "\x81\x82\x00\x00\x00\x00yo" {
		t.Errorf("backend got %q", all)
	}
	if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

// A Connection that names fields of the handshake takes none of them away, on
// either side, and an expectation, which is of a body, goes no further. What
// broke: the backend saw no Origin, or no key.
func TestTunnelConnectionNamesFields(t *testing.T) {
	for _, version := range []string{"7", "8", "13"} {
		t.Run(version, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nOrigin: http://page.example\r\nX-Secret: 1\r\n" +
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Version: " + version + "\r\nExpect: 100-continue\r\n" +
				"Connection: Upgrade, Origin, sec-websocket-key, Sec-WebSocket-Version, Sec-WebSocket-Protocol, X-Secret\r\n\r\n")
			b := r.backend.next()
			for name, want := range map[string]string{
				"Origin": "http://page.example", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-Websocket-Version": "13",
				"Sec-Websocket-Protocol": "chat", "X-Secret": "", "Connection": "Upgrade", "Expect": "",
			} {
				if got := strings.Join(b.request.Header[name], "|"); got != want {
					t.Errorf("the backend saw %s %q, want %q", name, got, want)
				}
			}
			b.say(strings.Replace(b.switching("Sec-WebSocket-Protocol: chat\r\nX-Secret: 1\r\n"),
				"Connection: Upgrade", "Connection: Upgrade, Sec-WebSocket-Accept, Sec-WebSocket-Protocol, X-Secret", 1))
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				"Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-Websocket-Protocol": "chat", "X-Secret": "", "Connection": "Upgrade",
			} {
				if got := strings.Join(resp.Header[name], "|"); got != want {
					t.Errorf("the client saw %s %q, want %q", name, got, want)
				}
			}
		})
	}
}

// A 101 has no body, so nothing that says how long one is goes on (RFC 9110
// section 8.6).
func TestTunnelAnswerWithoutLength(t *testing.T) {
	for _, line := range []string{"Content-Length: 0", "Content-Length: 5", "Transfer-Encoding: chunked"} {
		t.Run(line, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(requests["13"])
			r.backend.next().accept(line + "\r\n")
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil || resp.StatusCode != 101 || resp.Header["Content-Length"] != nil || resp.TransferEncoding != nil {
				t.Errorf("answer %v, %v; want 101 without %s", resp, err, line)
			}
		})
	}
}

// The handshakes of Firefox 6-8, Chrome 14 and Flash work with a backend that
// knows version 13 only, and so do lengths and close codes of their time.
func TestTunnelOldVersions(t *testing.T) {
	var file struct {
		Handshakes []struct {
			ID, Dialect, Expect string
			Request             string `json:"request_b64"`
			Backend             struct {
				Target  string
				Headers map[string]string
				Absent  []string
			}
		}
	}
	data, err := os.ReadFile("../legacy/legacytest/testdata/handshakes.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	seen, ended := make(chan *http.Request, 1), make(chan error, 1)
	address := serveGateway(t, echoBackend(t, func(r *http.Request) { seen <- r }, func(err error) { ended <- err }), nil)
	ran := 0
	for _, c := range file.Handshakes {
		if c.Dialect != "7" && c.Dialect != "8" || c.Expect != "101" {
			continue
		}
		ran++
		t.Run(c.ID, func(t *testing.T) {
			request, err := base64.StdEncoding.DecodeString(c.Request)
			if err != nil {
				t.Fatal(err)
			}
			conn := dialTCP(t, address)
			conn.Write(request)
			br := bufio.NewReader(conn)
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != 101 {
				t.Fatalf("answer %v, %v", resp, err)
			}
			if ext := resp.Header["Sec-Websocket-Extensions"]; ext != nil {
				t.Errorf("extensions %q, want none", ext)
			}
			r := <-seen
			for name, want := range c.Backend.Headers {
				if got := r.Header.Get(name); got != want {
					t.Errorf("backend saw %s: %q, want %q", name, got, want)
				}
			}
			for _, name := range c.Backend.Absent {
				if got, ok := r.Header[http.CanonicalHeaderKey(name)]; ok {
					t.Errorf("backend saw %s: %q, want none", name, got)
				}
			}
			oldFrames(t, conn, br)
			if err := <-ended; !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
				t.Errorf("backend's end: %v, want Close 1009", err)
			}
		})
	}
	if ran < 5 {
		t.Fatalf("%d handshakes of versions 7 and 8, want at least 5", ran)
	}
}

// oldFrames sends 65535 bytes with the 8-byte length of Firefox, a Ping, and
// Close 1004, which meant "too large" then.
func oldFrames(t *testing.T, conn net.Conn, br *bufio.Reader) {
	t.Helper()
	payload := bytes.Repeat([]byte("x"), 65535)
	frame := append([]byte("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00"), payload...)
	go conn.Write(frame)
	want := append([]byte("\x82\x7e\xff\xff"), payload...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(br, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("echo of 65535 bytes: %.16x, %v", got, err)
	}
	conn.Write(modern.AppendFrame(nil, true, modern.Ping, []byte("p"), modern.Key{1, 2, 3, 4}))
	pong := make([]byte, 3)
	if _, err := io.ReadFull(br, pong); err != nil || string(pong) != "\x8a\x01p" {
		t.Fatalf("pong: %x, %v", pong, err)
	}
	conn.Write(modern.AppendFrame(nil, true, modern.Close, []byte("\x03\xecbig"), modern.Key{9, 8, 7, 6}))
}

// What a modern client is refused with comes whole, however long it is.
func TestTunnelRefusal(t *testing.T) {
	body := strings.Repeat("no ", 100_000)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, body)
	}))
	defer backend.Close()
	conn := dialTCP(t, serveGateway(t, backend.Listener.Addr().String(), nil))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nABCDEFGHGET /evil HTTP/1.1\r\nHost: h\r\n\r\n")
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil || string(got) != body {
		t.Errorf("body: %d bytes, %v, want %d", len(got), err, len(body))
	}
	if resp.StatusCode != 401 || resp.Header.Get("Www-Authenticate") != `Basic realm="x"` || len(resp.Header["Set-Cookie"]) != 2 || !resp.Close {
		t.Errorf("answer %v", resp)
	}
	if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
		t.Errorf("after the refusal: %q, %v; want the end", rest, err)
	}
}

// A 101 that the client must not accept never reaches it.
func TestTunnelBadAnswers(t *testing.T) {
	const accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, c := range []struct{ name, answer, reason string }{
		{"no Upgrade", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + accept + "\r\n", "backend-bad-answer"},
		{"no Connection", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" + accept + "\r\n", "backend-bad-answer"},
		{"wrong Accept", "HTTP/1.1 101 Switching Protocols\r\n" + upgrade + "Sec-WebSocket-Accept: x\r\n\r\n", "backend-bad-answer"},
		{"extension not offered", "HTTP/1.1 101 Switching Protocols\r\n" + upgrade + accept + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "backend-extension"},
		{"subprotocol not offered", "HTTP/1.1 101 Switching Protocols\r\n" + upgrade + accept + "Sec-WebSocket-Protocol: chat\r\n\r\n", "backend-subprotocol"},
		{"not HTTP", "hello\r\n\r\n", "backend-bad-answer"},
		{"nothing", "", "backend-bad-answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dialTCP(t, serveGateway(t, scripted(t, c.answer), nil))
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusBadGateway || !strings.Contains(string(body), c.reason) {
				t.Errorf("answer %s %q, want 502 with %s", resp.Status, body, c.reason)
			}
		})
	}
}

// scripted is a backend that reads one request head and answers with these bytes.
func scripted(t *testing.T, answer string) string {
	t.Helper()
	return wiretest.Serve(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.WriteString(conn, answer)
		}
	})
}

// Requests that are nearly a handshake: the origin and the dialects that are
// let in count for modern clients too, and a body is no part of a handshake.
func TestTunnelPolicy(t *testing.T) {
	backend := echoBackend(t, func(*http.Request) {}, func(error) {})
	address := serveGateway(t, backend, func(o *translate.Options) {
		o.Dialects = []legacy.Dialect{legacy.Hixie76, legacy.RFC6455}
		o.Origins = []string{"http://ok.example"}
	})
	for _, c := range []struct {
		name, version, origin, more string
		status                      int
	}{
		{"allowed", "13", "Origin: http://ok.example\r\n", "", 101},
		{"origin", "13", "Origin: http://evil.example\r\n", "", 403},
		{"dialect", "8", "Sec-WebSocket-Origin: http://ok.example\r\n", "", 403},
		{"body", "13", "Origin: http://ok.example\r\n", "Content-Length: 3\r\n", 400},
		{"chunked", "13", "Origin: http://ok.example\r\n", "Transfer-Encoding: chunked\r\n", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dialTCP(t, address)
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: %s\r\n%s%s\r\n", c.version, c.origin, c.more)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || resp.StatusCode != c.status {
				t.Fatalf("answer %v, %v; want %d", resp, err, c.status)
			}
		})
	}
}

// Shutdown ends TCP on both sides of a tunnel and puts no frame into it.
func TestTunnelShutdown(t *testing.T) {
	got := make(chan string, 1)
	backend := wiretest.Serve(t, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		all, _ := io.ReadAll(br)
		got <- hex.EncodeToString(all)
	})
	g := translate.New(translate.Options{Backend: modern.Dialer{Address: backend}})
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go g.Serve(front)
	conn := dialTCP(t, front.Addr().String())
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	br := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("answer %v, %v", resp, err)
	}
	go func() {
		io.Copy(io.Discard, br)
		conn.Close()
	}()
	if err := g.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := <-got; all != "" {
		t.Errorf("backend got %s, want nothing", all)
	}
	if n := g.Stats().Closed[translate.Closed{Dialect: legacy.RFC6455, By: translate.ByGateway, Reason: translate.ShuttingDown}]; n != 1 {
		t.Errorf("closed: %v", g.Stats().Closed)
	}
}

// The messages of a tunnel are counted, and its end is told by who said Close first, though
// a server ends TCP first either way. What broke: the log and the metrics had no messages,
// and blamed the backend for the ends of clients.
func TestTunnelIsCounted(t *testing.T) {
	const (
		clientClose  = "\x88\x82\x01\x02\x03\x04\x02\xea" // 1000
		backendClose = "\x88\x02\x03\xe8"
	)
	for _, test := range []struct {
		id     string
		end    func(c *client, b *backendConn)
		closed translate.Closed
	}{
		{"the client closes", func(c *client, b *backendConn) {
			c.say(clientClose)
			b.end("\x88\x02\x03\xe8")
			c.all()
			c.Close()
		}, translate.Closed{By: translate.ByClient, Reason: translate.ClientClosed}},
		{"the backend closes", func(c *client, b *backendConn) {
			b.say(backendClose)
			c.get(backendClose)
			c.say(clientClose)
			b.end("\x88\x02\x03\xe8")
			c.all()
			c.Close()
		}, translate.Closed{By: translate.ByBackend, Reason: translate.BackendClosed}},
		{"the backend closes, and the client leaves", func(c *client, b *backendConn) {
			b.say(backendClose)
			c.get(backendClose)
			c.Close()
			b.over()
			b.Close()
		}, translate.Closed{By: translate.ByBackend, Reason: translate.BackendClosed}},
		{"the client leaves", func(c *client, b *backendConn) {
			c.Close()
			b.over()
			b.Close()
		}, translate.Closed{By: translate.ByClient, Reason: translate.ClientEnded}},
		{"the backend leaves", func(c *client, b *backendConn) {
			b.Close()
			c.all()
			c.Close()
		}, translate.Closed{By: translate.ByBackend, Reason: translate.BackendEnded}},
		{"not frames", func(c *client, b *backendConn) {
			b.say("HTTP/1.1 500 Internal Server Error\r\n\r\n" + backendClose)
			c.get("HTTP/1.1 500 Internal Server Error\r\n\r\n" + backendClose)
			c.Close()
			b.over()
			b.Close()
		}, translate.Closed{By: translate.ByClient, Reason: translate.ClientEnded}},
	} {
		for _, version := range []string{"7", "8", "13"} {
			t.Run(test.id+" "+version, func(t *testing.T) {
				r := newRig(t)
				c := r.dial()
				c.say(strings.Replace(head13, "Version: 13", "Version: "+version, 1) + "\x01\x81\x00\x00\x00\x00a")
				b := r.backend.next()
				b.say(b.switching() + "\x81\x02hi\x8a\x00")
				if _, err := http.ReadResponse(c.br, nil); err != nil {
					t.Fatal(err)
				}
				c.get("\x81\x02hi\x8a\x00")
				c.say("\x89\x80\x00\x00\x00\x00\x80\x81\x00\x00\x00\x00b")
				b.get("\x01\x01a", "\x89\x00", "\x80\x01b")
				test.end(c, b)
				test.closed.Dialect = map[string]legacy.Dialect{"7": legacy.Hybi07, "8": legacy.Hybi08, "13": legacy.RFC6455}[version]
				r.closed(test.closed)
				r.log.want(t, "connection closed", map[string]any{"messages_up": 1, "messages_down": 1, "by": string(test.closed.By), "reason": string(test.closed.Reason)})
				if got := r.gw.Stats().Traffic[test.closed.Dialect]; got.MessagesUp != 1 || got.MessagesDown != 1 {
					t.Errorf("counted %+v", got)
				}
			})
		}
	}
}
