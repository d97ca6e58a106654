package rawhead

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A script is a connection of which the parts are read one by one.
type script struct {
	net.Conn // nil: what is not below panics
	parts    []string
	written  strings.Builder
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.parts[0])
	if s.parts[0] = s.parts[0][n:]; s.parts[0] == "" {
		s.parts = s.parts[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) { return s.written.Write(p) }

type listener struct {
	net.Listener
	conn net.Conn
}

func (l listener) Accept() (net.Conn, error) { return l.conn, nil }

func accept(t *testing.T, limit int, parts ...string) (*Conn, *script) {
	t.Helper()
	s := &script{parts: parts}
	c, err := NewListener(listener{conn: s}, &Config{Limit: limit, OnServerError: func(*Conn, []byte) bool { return false }}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Conn), s
}

const first, second = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /2 HTTP/1.1\r\nHost: h\r\nX:  y\r\n\r\n"

func request(method, target string, length int64) *http.Request {
	return &http.Request{Method: method, RequestURI: target, ContentLength: length}
}

// The head of each request on a connection is known: behind one without a body, behind
// a body, behind the line ends of an old form.
func TestHeads(t *testing.T) {
	for id, test := range map[string]struct {
		method, before string
		length         int64
	}{
		"no body":   {"GET", first, 0},
		"body":      {"POST", "POST /1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", 4},
		"form":      {"POST", "POST /1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody\r\n", 4},
		"lead":      {"GET", "\r\n" + first, 0},
		"bare feed": {"GET", "GET /1 HTTP/1.1\nHost: h\n\n", 0},
	} {
		t.Run(id, func(t *testing.T) {
			all := test.before + second
			for cut := range len(all) {
				c, _ := accept(t, 1000, all[:cut+1], all[cut+1:])
				got, err := io.ReadAll(c)
				if want := strings.TrimPrefix(all, "\r\n"); string(got) != want || err != nil {
					t.Fatalf("read %q, %v, want %q", got, err, want)
				}
				r := request(test.method, "/1", test.length)
				if head := string(c.Head(r)); !strings.HasSuffix(head, "\n\n") && !strings.HasSuffix(head, "\r\n\r\n") || strings.Contains(head, "/2") {
					t.Errorf("cut at %d, the first head is %q", cut, head)
				}
				c.Serve(r)
				ConnState(c, http.StateIdle)
				if head := string(c.Head(request("GET", "/2", 0))); head != second {
					t.Errorf("cut at %d, the second head is %q", cut, head)
				}
			}
		})
	}
}

// Line ends are passed over behind a POST only, as net/http does, whatever came before it.
func TestLineEndsBehindPost(t *testing.T) {
	c, _ := accept(t, 1000, "POST /1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody\r\n"+first+"\r\n"+second)
	io.ReadAll(c)
	c.Serve(request("POST", "/1", 4))
	ConnState(c, http.StateIdle)
	if head := string(c.Head(request("GET", "/1", 0))); head != first {
		t.Errorf("behind the POST: %q", head)
	}
	c.Serve(request("GET", "/1", 0))
	ConnState(c, http.StateIdle)
	if head := c.Head(request("GET", "/2", 0)); head != nil {
		t.Errorf("behind a GET and a line end: %q", head)
	}
}

// What is a head only by its looks is none: of another request, behind chunks, longer than
// the limit, or of no connection.
func TestNoHead(t *testing.T) {
	c, _ := accept(t, 1000, first)
	io.ReadAll(c)
	if head := c.Head(request("GET", "/other", 0)); head != nil {
		t.Errorf("the head of another request is %q", head)
	}
	c.Serve(request("GET", "/1", -1))
	ConnState(c, http.StateIdle)
	c.record([]byte(second))
	if head := c.Head(request("GET", "/2", 0)); head != nil {
		t.Errorf("behind chunks the head is %q", head)
	}
	c, _ = accept(t, len(first)-1, first[:len(first)-1], "\n")
	io.ReadAll(c)
	if head := c.Head(request("GET", "/1", 0)); head == nil {
		t.Error("a head of the limit is not known")
	}
	c, _ = accept(t, len(first)-2, first[:len(first)-1], "\n")
	io.ReadAll(c)
	if head := c.Head(request("GET", "/1", 0)); head != nil {
		t.Errorf("beyond the limit the head is %q", head)
	}
	none := Of(&http.Request{})
	none.Serve(nil)
	none.Drain()
	none.SetPhrase("x")
	if none.Head(nil) != nil || none.NothingBehind() {
		t.Error("no connection has a head")
	}
}

// Nothing is behind a request only if that is known.
func TestNothingBehind(t *testing.T) {
	for id, test := range map[string]struct {
		parts  []string
		length int64
		want   bool
	}{
		"alone":       {[]string{first}, 0, true},
		"a byte":      {[]string{first, "x"}, 0, false},
		"body":        {[]string{first, "body"}, 4, true},
		"half a body": {[]string{first, "bo"}, 4, false},
		"behind it":   {[]string{first + "bodyx"}, 4, false},
		"chunks":      {[]string{first}, -1, false},
		"half a head": {[]string{first[:20]}, 0, false},
	} {
		t.Run(id, func(t *testing.T) {
			c, _ := accept(t, 1000, test.parts...)
			for range test.parts {
				c.Read(make([]byte, 1000))
			}
			c.Serve(request("GET", "/1", test.length))
			if got := c.NothingBehind(); got != test.want {
				t.Errorf("%t, want %t", got, test.want)
			}
			io.ReadAll(c)
			if c.NothingBehind() {
				t.Error("nothing is behind a request whose client has left")
			}
		})
	}
}

// One CR LF may come before the first request, and nothing else is dropped.
func TestLead(t *testing.T) {
	for came, want := range map[string]string{"\r\nG": "G", "\r\n\r\nG": "\r\nG", "\nG": "\nG", "G\r\nG": "G\r\nG", "\r\n": "", "\rG": "G"} {
		for _, parts := range [][]string{{came}, strings.Split(came, "")} {
			c, _ := accept(t, 1000, parts...)
			if got, err := io.ReadAll(c); string(got) != want || err != nil {
				t.Errorf("%q in %d parts: %q, %v, want %q", came, len(parts), got, err, want)
			}
		}
	}
}

// The phrase is that of the next response only.
func TestPhrase(t *testing.T) {
	c, s := accept(t, 1000)
	c.SetPhrase("Session expired")
	c.SetPhrase("") // the backend's response has none
	for _, response := range []string{"HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\nx", "HTTP/1.1 404 Not Found\r\n\r\n"} {
		if n, err := io.WriteString(c, response); n != len(response) || err != nil {
			t.Error(n, err)
		}
	}
	if got, want := s.written.String(), "HTTP/1.1 403 Session expired\r\nA: b\r\n\r\nxHTTP/1.1 404 Not Found\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A connection may have no way to end its half.
func TestCloseWriteUnsupported(t *testing.T) {
	c, _ := accept(t, 1000)
	c.Serve(request("GET", "/1", 0))
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// A halves is a script that can end its half.
type halves struct {
	script
	ended int
}

func (h *halves) CloseWrite() error             { h.ended++; return nil }
func (*halves) SetReadDeadline(time.Time) error { return nil }

// Only a response of a handler ends a half: what OnServerError has written ends the
// connection, and it has drained it.
func TestCloseWriteOfHandlers(t *testing.T) {
	h := &halves{script: script{parts: []string{first, "rest"}}}
	conn, err := NewListener(listener{conn: h}, &Config{Limit: 1000}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*Conn)
	c.Read(make([]byte, len(first)))
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) || h.ended != 0 || len(h.parts) != 1 {
		t.Errorf("before a handler: %v, ended %d times, left %q", err, h.ended, h.parts)
	}
	c.Serve(request("GET", "/1", 0))
	if err := c.CloseWrite(); err != nil || h.ended != 1 || len(h.parts) != 0 {
		t.Errorf("behind a handler: %v, ended %d times, left %q", err, h.ended, h.parts)
	}
}
