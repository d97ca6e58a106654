package translate_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// A vector is one of package legacy's opening handshakes.
type vector struct {
	ID, Dialect, Expect       string
	Source, Provenance, Notes string
	Secure                    bool
	RequestHead               string   `json:"request_head"`
	RequestTail               string   `json:"request_tail_hex"`
	Request                   []byte   `json:"request_b64"`
	ResponseHead              string   `json:"response_head"`
	ResponseTail              string   `json:"response_tail_hex"`
	Response                  []byte   `json:"response_b64"`
	ClientProtocol            string   `json:"client_protocol"`
	SetCookie                 []string `json:"set_cookie"`
	Backend                   struct {
		Target   string
		Headers  map[string]string
		Absent   []string
		Selected string `json:"selected_protocol"`
	}
	Exchange       []struct{ From, Hex, Note string }
	Status         int
	RefusalHeaders map[string]string `json:"refusal_headers"`
}

// vectors are those that keep accepts, at least n.
func vectors(t *testing.T, n int, keep func(vector) bool) (list []vector) {
	t.Helper()
	f, err := os.Open("../legacy/legacytest/testdata/handshakes.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var file struct {
		Schema     int
		Handshakes []vector
	}
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Handshakes {
		if keep(v) {
			list = append(list, v)
		}
	}
	if len(list) < n {
		t.Fatalf("%d vectors, want at least %d", len(list), n)
	}
	return list
}

// answer is the 101 of the backend.
func (v vector) answer(b *backendConn) {
	var lines []string
	if v.Backend.Selected != "" {
		lines = append(lines, "Sec-WebSocket-Protocol: "+v.Backend.Selected+"\r\n")
	}
	for _, cookie := range v.SetCookie {
		lines = append(lines, "Set-Cookie: "+cookie+"\r\n")
	}
	b.accept(lines...)
}

// checkRequest holds what the backend got against what it should have got.
func (v vector) checkRequest(t *testing.T, got *http.Request) {
	t.Helper()
	if got.RequestURI != v.Backend.Target {
		t.Errorf("target %q, want %q", got.RequestURI, v.Backend.Target)
	}
	for name, want := range v.Backend.Headers {
		if values := got.Header[http.CanonicalHeaderKey(name)]; len(values) != 1 || values[0] != want {
			t.Errorf("backend got %s: %q, want %q", name, values, want)
		}
	}
	for _, name := range v.Backend.Absent {
		if values, there := got.Header[http.CanonicalHeaderKey(name)]; there {
			t.Errorf("backend got %s: %q", name, values)
		}
	}
	if key, err := base64.StdEncoding.DecodeString(got.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		t.Errorf("backend got the key %x, %v", key, err)
	}
}

// checkAnswer holds what the client got against what it should have got; in -76
// the fields may have any order.
func (v vector) checkAnswer(t *testing.T, got []byte) {
	t.Helper()
	want := v.Response
	if v.Dialect == "76" {
		got, want = sortedHead(got), sortedHead(want)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("client got %q, want %q", got, want)
	}
}

func sortedHead(answer []byte) []byte {
	head, tail, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	slices.Sort(lines[1:])
	return append([]byte(strings.Join(lines, "\r\n")), tail...)
}

// A cutListener hands out connections whose first bytes come in segments: one
// for each Read.
type cutListener struct {
	net.Listener
	segments chan []int // sizes, for the next connection
}

func (l cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, segments: <-l.segments}, nil
}

type cutConn struct {
	net.Conn
	segments []int
	ahead    []byte // read, and not handed out
}

// Read hands out as much of a segment as there is room for; what is not cut
// into segments comes as it comes.
func (c *cutConn) Read(p []byte) (int, error) {
	if len(c.segments) == 0 && len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	for len(c.segments) > 0 && len(c.ahead) < c.segments[0] {
		more := make([]byte, c.segments[0]-len(c.ahead))
		n, err := c.Conn.Read(more)
		c.ahead = append(c.ahead, more[:n]...)
		if err != nil {
			return 0, err
		}
	}
	part := c.ahead
	if len(c.segments) > 0 {
		part = part[:c.segments[0]]
	}
	n := copy(p, part)
	c.ahead = c.ahead[n:]
	if len(c.segments) > 0 {
		if c.segments[0] -= n; c.segments[0] == 0 {
			c.segments = c.segments[1:]
		}
	}
	return n, nil
}

// Unwrap gives the socket away, and what had been read of it.
func (c *cutConn) Unwrap() (net.Conn, []byte) { return c.Conn, c.ahead }

// Whatever the segments, the client gets its answer, the backend a request of
// RFC 6455, and the frames behind the handshake arrive.
func TestHandshake(t *testing.T) {
	t.Parallel()
	isLegacy := func(v vector) bool { return v.Dialect == "75" || v.Dialect == "76" }
	for _, v := range vectors(t, 21, isLegacy) {
		t.Run(v.ID, func(t *testing.T) {
			segments := make(chan []int, 1)
			r := newRigOn(t, v.front(cutListener{listen(t), segments}), v.options)
			for _, sizes := range v.cuts() {
				segments <- sizes
				v.run(t, r, v.dial(t, r.address))
				if t.Failed() {
					t.Fatalf("segments %v", sizes)
				}
			}
		})
	}
}

// options let the client of a vector wait for its key3 no longer than for a
// head.
func (v vector) options(o *translate.Options) { o.Timeouts.Key3 = patience }

// cuts are sizes of segments: none, byte by byte, every place in the last bytes,
// and some before. With TLS the segments are not the client's bytes.
func (v vector) cuts() [][]int {
	const frame = len("\x00hello\xff")
	size := len(v.Request) + frame
	cuts := [][]int{nil}
	if v.Secure {
		return cuts
	}
	cuts = append(cuts, slices.Repeat([]int{1}, size))
	for at := 1; at < size; at++ {
		if at > size-frame-14 || at%29 == 0 {
			cuts = append(cuts, []int{at, size - at})
		}
	}
	return cuts
}

// front puts TLS before the gateway if the vector is of a secure page.
func (v vector) front(ln net.Listener) net.Listener {
	if !v.Secure {
		return ln
	}
	lender := httptest.NewTLSServer(nil)
	lender.Close()
	return tls.NewListener(ln, &tls.Config{Certificates: lender.TLS.Certificates})
}

func (v vector) dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if v.Secure {
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	return conn
}

// run opens a connection and carries a message each way.
func (v vector) run(t *testing.T, r *rig, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(append(slices.Clip(v.Request), "\x00hello\xff"...)); err != nil {
		t.Fatal(err)
	}
	b := r.backend.next()
	defer b.Close()
	v.checkRequest(t, b.request)
	v.answer(b)
	b.get(text("hello"))
	b.say(text("world"))
	answer := make([]byte, len(v.Response)+len("\x00world\xff"))
	if n, err := io.ReadFull(conn, answer); err != nil {
		t.Fatalf("got %q, %v", answer[:n], err)
	}
	answer, message := answer[:len(v.Response)], answer[len(v.Response):]
	v.checkAnswer(t, answer)
	if string(message) != "\x00world\xff" {
		t.Errorf("got %q behind the answer", message)
	}
}

// The exchanges of the vectors, step by step: a gateway that waited for what
// the client holds back would wait for ever.
func TestHandshakeExchange(t *testing.T) {
	for _, v := range vectors(t, 2, func(v vector) bool { return v.Exchange != nil }) {
		t.Run(v.ID, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			dialled := make(chan struct{})
			go func() {
				defer close(dialled)
				v.answer(r.backend.next())
			}()
			for _, step := range v.Exchange {
				b, err := hex.DecodeString(step.Hex)
				if err != nil {
					t.Fatal(err)
				}
				if step.From == "client" {
					c.say(string(b))
				} else {
					c.get(string(b))
				}
			}
			<-dialled
		})
	}
}

// A Gateway is a handler for any http.Server. That keeps no raw head, without
// which only rarities are lost.
func TestHandlerOfAnotherServer(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(r.gw)
	defer server.Close()
	r.address = server.Listener.Addr().String()
	for _, d := range both {
		c, b := r.open(d)
		c.say("\x00up\xff")
		b.get(text("up"))
		b.say(text("down"))
		c.get("\x00down\xff")
	}
}

// Promise 1: no 101 unless the backend has said 101, and the client's own fields
// of the handshake are not the backend's business.
func TestNoAnswerBeforeTheBackends(t *testing.T) {
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t)
			request, answer := handshake(d)
			c := r.dial()
			c.say(request + "\x00early\xff")
			b := r.backend.next()
			if !waiting(c.TCPConn) || !waiting(b.TCPConn) || b.br.Buffered() > 0 {
				t.Error("something passes before the backend's 101")
			}
			b.accept()
			c.get(answer)
			b.get(text("early"))
		})
	}
}

// The answers of a backend that are no 101 for us, whatever they say.
func TestBadAnswers(t *testing.T) {
	for _, test := range []struct {
		id, request string
		answer      func(b *backendConn) string
		status      int
		reason      translate.Reason
		code        uint16 // of the Close to the backend, if it believes that it is connected
	}{
		{"wrong-accept", head75, func(b *backendConn) string {
			return strings.Replace(b.switching(), "Accept: ", "Accept: x", 1)
		}, 502, "backend-bad-answer", 0},
		{"no-upgrade", head75, func(b *backendConn) string {
			return strings.Replace(b.switching(), "Upgrade: websocket\r\n", "", 1)
		}, 502, "backend-bad-answer", 0},
		{"no-http", head75, func(*backendConn) string { return "SSH-2.0-OpenSSH_9.2\r\n\r\n" }, 502, "backend-bad-answer", 0},
		{"nothing", head75, func(*backendConn) string { return "" }, 502, "backend-bad-answer", 0},
		{"extension", head75, func(b *backendConn) string { return b.switching("Sec-WebSocket-Extensions: x\r\n") }, 502, "backend-extension", 0},
		{"protocol-not-offered", head75, func(b *backendConn) string {
			return b.switching("Sec-WebSocket-Protocol: chat\r\n")
		}, 502, "backend-subprotocol", 0},
		{"protocol-not-selected", with(head75, "WebSocket-Protocol: chat\r\n"), func(b *backendConn) string {
			return b.switching()
		}, 400, "subprotocol-mismatch", 1002},
	} {
		t.Run(test.id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(test.request)
			b := r.backend.next()
			if answer := test.answer(b); answer != "" {
				b.say(answer)
			} else {
				b.CloseWrite()
			}
			checkRefusal(t, c, test.status, test.reason)
			r.refused(legacy.Hixie75, test.reason)
			if test.code != 0 {
				b.end(bye(test.code))
				return
			}
			if got, err := b.readFrame(); err != io.EOF && !isReset(err) {
				t.Errorf("the backend got %q, %v", got, err)
			}
		})
	}
}

// checkRefusal reads an answer to its end: HTTP that a legacy client can show,
// with the reason in its body, and the end of TCP behind it.
func checkRefusal(t *testing.T, c *client, status int, reason translate.Reason) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) < 16 {
		t.Errorf("body %q, %v, want at least 16 bytes", body, err)
	}
	if malformed := status == 400 || status == 405 || status == 417 || status == 426 || status == 431 || status == 501 || status == 505; resp.StatusCode != status || malformed && !resp.Close {
		t.Errorf("got %+v, want %d, with Connection: close: %t", resp, status, malformed)
	}
	if !resp.Close { // a legal handshake, behind which nothing has come
		c.CloseWrite()
	}
	c.end("")
	if reason != "" && !bytes.Contains(body, []byte(": "+reason+"\n")) {
		t.Errorf("body %q does not name %s", body, reason)
	}
	return resp
}
