package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// A proxyCase is what a client does at a proxy, below a path of its own.
type proxyCase struct {
	name, column string // in tests, in the README's table
	run          func(s *stand, path string) outcome
}

var proxyCases = []proxyCase{
	{"76", "-76", oneSegment},
	{"76 late", "key3 after the 101", late},
	{"76 two segments", "key3 apart", twoSegments},
	{"76 glued", "a frame behind key3", glued},
	{"76 declared", "key3 declared", declared},
	{"75", "-75", lax75},
	{"75 strict", "-75 to the byte", strict75},
	{"6455", "RFC 6455", rfc6455},
	{"http", "HTTP", plainHTTP},
	{"refused", "a refusal", refused},
}

// oneSegment is how WebKit sends its handshake.
func oneSegment(s *stand, path string) outcome {
	r := s.request(legacy.Hixie76, "/echo"+path)
	conn := s.dial()
	s.write(conn, append(r.AppendHead(nil), r.Key3[:]...))
	return s.converse(conn, r, nil)
}

// late is a key3 that follows the head of the 101, as if a proxy had held it.
func late(s *stand, path string) outcome {
	r := s.request(legacy.Hixie76, "/echo"+path)
	conn := s.dial()
	s.write(conn, r.AppendHead(nil))
	return s.converse(conn, r, r.Key3[:])
}

// twoSegments is how WebKit on Windows sends its handshake: key3 comes while
// the backend is being asked.
func twoSegments(s *stand, path string) outcome {
	r := s.request(legacy.Hixie76, "/gate"+path)
	conn := s.dial()
	s.write(conn, r.AppendHead(nil))
	select {
	case <-s.asked:
	case <-time.After(patience):
		s.t.Fatal("the backend is not asked")
	}
	s.write(conn, r.Key3[:])
	s.gate <- struct{}{}
	return s.converse(conn, r, nil)
}

// glued is a client that does not wait for the challenge response.
func glued(s *stand, path string) outcome {
	r := s.request(legacy.Hixie76, "/echo"+path)
	conn := s.dial()
	s.write(conn, legacy.AppendText(append(r.AppendHead(nil), r.Key3[:]...), []byte("glued")))
	return s.converse(conn, r, nil, "glued")
}

func declared(s *stand, path string) outcome {
	r := s.request(legacy.Hixie76, "/echo"+path)
	r.Declare = true
	conn := s.dial()
	s.write(conn, append(r.AppendHead(nil), r.Key3[:]...))
	return s.converse(conn, r, nil)
}

func lax75(s *stand, path string) outcome {
	r := s.request(legacy.Hixie75, "/echo"+path)
	conn := s.dial()
	s.write(conn, r.AppendHead(nil))
	return s.converse(conn, r, nil)
}

// strict75 compares the first three lines byte by byte, as WebKit did.
func strict75(s *stand, path string) outcome {
	r := s.request(legacy.Hixie75, "/echo"+path)
	conn := s.dial()
	_, err := r.Open(conn)
	var rejected *legacy.HandshakeError
	switch {
	case errors.As(err, &rejected):
		conn.Close()
		s.ended()
		return changed
	case err != nil:
		s.t.Errorf("open: %v", err)
	}
	conn.Close()
	s.ended()
	return works
}

// converse completes a handshake whose head has been sent, and then talks and
// closes, with everything checked on both sides of the proxy. Messages that
// have been sent already are echoed first.
func (s *stand) converse(conn net.Conn, r *legacy.Request, key3 []byte, sent ...string) outcome {
	s.t.Helper()
	br := bufio.NewReader(conn)
	head, err := legacy.ReadHead(br)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := checkFields(head, r); err != nil {
		s.t.Errorf("%v in\n%s", err, head)
	}
	s.write(conn, key3)
	if r.Dialect == legacy.Hixie76 && !s.readResponse(br, r) {
		s.lostKey3(r)
		return lost
	}
	c := legacy.NewConn(conn, br, r.Dialect)
	for _, want := range append([]string{"welcome"}, sent...) {
		s.says(c, want)
	}
	if err := c.WriteText("hé"); err != nil {
		s.t.Error(err)
	}
	s.says(c, "hé")
	s.close(c, r)
	s.checkConversation(r, append(sent, "hé"))
	return works
}

// readResponse reads the challenge response; it is false if the connection
// ends instead.
func (s *stand) readResponse(br *bufio.Reader, r *legacy.Request) bool {
	s.t.Helper()
	var got [16]byte
	if n, err := io.ReadFull(br, got[:]); err != nil {
		if n > 0 || errors.Is(err, errTimeout) {
			s.t.Errorf("%d bytes of the challenge response, then %v", n, err)
		}
		return false
	}
	key1, err1 := legacy.ParseKey(r.Key1)
	key2, err2 := legacy.ParseKey(r.Key2)
	if want := legacy.ChallengeResponse(key1, key2, r.Key3); got != want || err1 != nil || err2 != nil {
		s.t.Errorf("challenge response %x, want %x", got, want)
	}
	return true
}

func (s *stand) says(c *legacy.Conn, want string) {
	s.t.Helper()
	if got, err := c.ReadText(); got != want {
		s.t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// close is the closing handshake of the client's dialect.
func (s *stand) close(c *legacy.Conn, r *legacy.Request) {
	s.t.Helper()
	if r.Dialect == legacy.Hixie76 {
		if err := c.WriteClose(); err != nil {
			s.t.Error(err)
		}
		if got, err := c.ReadText(); err != io.EOF {
			s.t.Errorf("got %q, %v; want FF 00", got, err)
		}
	}
	c.Close()
}

// checkConversation is what the backend and the log say of a conversation that
// the client has closed.
func (s *stand) checkConversation(r *legacy.Request, sent []string) {
	s.t.Helper()
	c, line := s.ended()
	want := conversation{path: r.Resource, messages: len(sent), bytes: len(strings.Join(sent, "")), code: websocket.CloseNormalClosure}
	if c != want {
		s.t.Errorf("the backend saw %+v, want %+v", c, want)
	}
	s.gateway.says(line, map[string]any{
		"dialect": r.Dialect, "path": r.Resource, "by": "client", "reason": "client-closed",
		"messages_up": len(sent), "messages_down": len(sent) + 1,
	})
	seen := s.saw(s.t, r.Resource)
	if seen.Host != r.Host {
		s.t.Errorf("the backend saw Host %q, want %q", seen.Host, r.Host)
	}
	s.sees(seen.Header, "Origin", r.Origin)
	s.sees(seen.Header, "X-Forwarded-For", s.kind.legacy)
	s.sees(seen.Header, "X-Forwarded-Host", r.Host)
}

func (s *stand) sees(header http.Header, name, want string) {
	s.t.Helper()
	if got := header[name]; !slices.Equal(got, []string{want}) {
		s.t.Errorf("the backend saw %s %q, want %q", name, got, want)
	}
}

// lostKey3 checks what becomes of a handshake whose key3 does not come. The log has a
// line for the first, and another after a minute for all that followed; each is counted,
// which check looks at.
func (s *stand) lostKey3(r *legacy.Request) {
	s.t.Helper()
	if !s.lostBefore {
		s.lostBefore = true
		s.gateway.says(s.logged("opening handshake not completed"), map[string]any{"path": r.Resource, "reason": "key3-timeout"})
	}
	if c := s.witness.next(s.t); c.path != r.Resource || c.code != websocket.CloseGoingAway {
		s.t.Errorf("the backend saw %+v, want Close 1001 for %s", c, r.Resource)
	}
}

// checkFields compares what some -76 browser compares: each field once, Origin
// and Location to the byte, Upgrade with its case, Connection without.
func checkFields(head []byte, r *legacy.Request) error {
	prefix := "sec-websocket-"
	if r.Dialect == legacy.Hixie75 {
		prefix = "websocket-"
	}
	want := map[string]string{
		"upgrade": "WebSocket", "connection": "upgrade",
		prefix + "origin": r.Origin, prefix + "location": legacy.Location(r.Secure, r.Host, r.Resource),
	}
	lines := strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
	if !strings.HasPrefix(lines[0], "HTTP/1.1 101 ") {
		return fmt.Errorf("status line %q", lines[0])
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if name = strings.ToLower(name); name == "connection" {
			value = strings.ToLower(value)
		}
		if expected, compared := want[name]; compared && value != expected {
			return fmt.Errorf("%s is %q, not %q", name, value, expected)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		return fmt.Errorf("%v are missing", want)
	}
	return nil
}

// rfc6455 is a browser of today, with an extension and a large message.
func rfc6455(s *stand, path string) outcome {
	dialer := websocket.Dialer{
		EnableCompression: true,
		NetDial:           func(string, string) (net.Conn, error) { return s.dial(), nil },
	}
	conn, resp, err := dialer.Dial("ws://"+s.proxy.address+"/echo"+path, http.Header{"Origin": {"http://page.example"}})
	if err != nil {
		s.t.Fatal(err)
	}
	if ext := resp.Header.Get("Sec-Websocket-Extensions"); !strings.HasPrefix(ext, "permessage-deflate") {
		s.t.Errorf("the extension is %q, want permessage-deflate", ext)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	received := func(kind int, want []byte) {
		s.t.Helper()
		if k, got, err := conn.ReadMessage(); err != nil || k != kind || !bytes.Equal(got, want) {
			s.t.Fatalf("got %d bytes of type %d, %v; want %d of type %d", len(got), k, err, len(want), kind)
		}
	}
	received(websocket.TextMessage, []byte("welcome"))
	for _, deflate := range []bool{true, false} {
		conn.EnableWriteCompression(deflate)
		if err := conn.WriteMessage(websocket.BinaryMessage, large); err != nil {
			s.t.Fatal(err)
		}
		received(websocket.BinaryMessage, large)
	}
	farewell := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := conn.WriteMessage(websocket.CloseMessage, farewell); err != nil {
		s.t.Error(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		s.t.Errorf("got %v, want Close 1000", err)
	}
	conn.Close()
	if c := s.witness.next(s.t); c.messages != 2 || c.bytes != 2*len(large) || c.code != websocket.CloseNormalClosure {
		s.t.Errorf("the backend saw %+v", c)
	}
	s.gateway.says(s.logged("connection closed"), map[string]any{"dialect": 13, "path": "/echo" + path})
	seen := s.saw(s.t, "/echo"+path)
	s.sees(seen.Header, "Origin", "http://page.example")
	s.sees(seen.Header, "X-Forwarded-For", s.kind.others)
	return works
}

// plainHTTP is everything else, by a client who makes up where it comes from.
func plainHTTP(s *stand, path string) outcome {
	dials := 0
	client := http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { dials++; return s.dial(), nil },
	}}
	for i, body := range [][]byte{nil, nil, make([]byte, 1<<20)} {
		method := http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
		path := fmt.Sprintf("%s/%d", path, i)
		r, err := http.NewRequest(method, "http://"+s.proxy.address+path, bytes.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			r.Header.Set(name, "made-up.example")
		}
		resp, err := client.Do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := toldOf(method, path, body); string(got) != want || err != nil {
			s.t.Errorf("got %s %q, %v; want %q", resp.Status, got, err, want)
		}
		seen := s.saw(s.t, path)
		s.sees(seen.Header, "X-Forwarded-For", s.kind.others)
		s.sees(seen.Header, "X-Forwarded-Host", s.proxy.address)
		if proto := seen.Header.Get("X-Forwarded-Proto"); proto != "http" && proto != "https" {
			s.t.Errorf("the backend saw X-Forwarded-Proto %q", proto)
		}
	}
	if dials != 1 {
		s.t.Errorf("%d connections for three requests, want 1", dials)
	}
	return works
}

// refused is a handshake that the backend answers with 403. What the client
// sent behind it must not spoil anybody's next request: not that of another
// client, nor, where the proxy knows it for a body, that of the client itself.
func refused(s *stand, path string) outcome {
	for _, declare := range []bool{false, true} {
		r := s.request(legacy.Hixie76, fmt.Sprintf("/refuse%s/%t", path, declare))
		r.Declare = declare
		copy(r.Key3[:], "ABCDEFGH")
		conn := s.dial()
		s.write(conn, append(r.AppendHead(nil), r.Key3[:]...))
		br := bufio.NewReader(conn)
		resp, body := s.readAnswer(br)
		if resp == nil || resp.StatusCode != http.StatusForbidden || body != refusalText || resp.Header.Get("WWW-Authenticate") != refusalChallenge {
			s.t.Errorf("got %+v %q, want 403 %q", resp, body, refusalText)
		}
		s.gateway.says(s.logged("opening handshake refused"), map[string]any{"path": r.Resource, "reason": "backend-refused", "status": 403})

		other := s.dial()
		s.ask(other, "/other"+r.Resource)
		if _, body := s.readAnswer(bufio.NewReader(other)); body != toldOf("GET", "/other"+r.Resource, nil) {
			s.t.Errorf("another client got %q", body)
		}
		s.sameConnection(conn, br, "/same"+r.Resource, declare)
	}
	return works
}

// sameConnection asks once more on the connection of a refused handshake.
// Undeclared, its 8 bytes are the beginning of what the proxy takes for the
// method, which it answers itself or has answered.
func (s *stand) sameConnection(conn net.Conn, br *bufio.Reader, path string, declare bool) {
	s.t.Helper()
	s.ask(conn, path)
	resp, body := s.readAnswer(br)
	if want := declare || s.kind.keeps; (resp != nil) != want { // declared, the gateway keeps it
		s.t.Errorf("the connection of a refused client is kept: %t, want %t", resp != nil, want)
	}
	switch {
	case resp == nil:
	case declare && body == toldOf("GET", path, nil):
	case !declare && (body == toldOf("ABCDEFGHGET", path, nil) || resp.StatusCode == http.StatusNotImplemented):
	default:
		s.t.Errorf("the same client got %s %q", resp.Status, body)
	}
}

// ask sends a plain request; the connection may have ended.
func (s *stand) ask(conn net.Conn, path string) {
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, s.proxy.address)
}

// readAnswer is nil if the connection has ended.
func (s *stand) readAnswer(br *bufio.Reader) (*http.Response, string) {
	s.t.Helper()
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		if errors.Is(err, errTimeout) {
			s.t.Error(err)
		}
		return nil, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Errorf("%s: %v", resp.Status, err)
	}
	return resp, string(body)
}
