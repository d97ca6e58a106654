package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/internal/forward"
)

// A resetting is a backend that takes some bytes, responds, and resets: writes fail from
// then on, and the response can still be read.
type resetting struct {
	net.Conn // nil: what is not below panics
	response io.Reader
	room     int
	failed   chan struct{}
	once     sync.Once
}

func (c *resetting) Write(p []byte) (int, error) {
	if c.room -= len(p); c.room >= 0 {
		return len(p), nil
	}
	c.once.Do(func() { close(c.failed) })
	return 0, syscall.EPIPE
}

func (c *resetting) Read(p []byte) (int, error) {
	<-c.failed
	return c.response.Read(p)
}

func (c *resetting) Close() error {
	c.once.Do(func() { close(c.failed) })
	return nil
}

func (c *resetting) SetReadDeadline(time.Time) error { return nil }

// newTestProxy is a proxy with this way to dial, and the errors that it refuses with.
func newTestProxy(dial func(context.Context) (net.Conn, error)) (*Proxy, chan error) {
	refused := make(chan error, 16)
	return New(Config{
		Rules: &forward.Rules{Backend: "app", Secure: func(*http.Request) bool { return false }},
		Dial:  dial,
		Idle:  1 << 40,
		Watch: func(r *http.Request) (context.Context, context.CancelFunc) { return r.Context(), func() {} },
		Count: func() {},
		Log:   func(*http.Request, Fate) {},
		Refuse: func(w http.ResponseWriter, _ *http.Request, err error) {
			refused <- err
			w.WriteHeader(http.StatusBadGateway)
		},
	}), refused
}

func (p *Proxy) ask(r *http.Request) *httptest.ResponseRecorder {
	target, _ := p.URL(r, "/")
	w := httptest.NewRecorder()
	p.Serve(w, r, Target{URL: target})
	return w
}

// The response that a backend sent before it reset an upload counts more than the failed
// write. What broke: 413 became 502, for 23 of 40 uploads to Node.
func TestEarlyResponseWins(t *testing.T) {
	for room := range 3 {
		for _, chunked := range []bool{false, true} {
			conn := &resetting{response: strings.NewReader("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"), room: room * 10_000, failed: make(chan struct{})}
			p, refused := newTestProxy(func(context.Context) (net.Conn, error) { return conn, nil })
			r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 1<<20)))
			if chunked {
				r.ContentLength = -1
			}
			if w := p.ask(r); w.Code != http.StatusRequestEntityTooLarge || w.Body.String() != "no" {
				t.Errorf("room %d, chunked %t: got %d %q, refused %d", room, chunked, w.Code, w.Body, len(refused))
			}
		}
	}
}

// A backend that resets without a response is a bad one.
func TestResetWithoutResponse(t *testing.T) {
	conn := &resetting{response: strings.NewReader(""), failed: make(chan struct{})}
	p, refused := newTestProxy(func(context.Context) (net.Conn, error) { return conn, nil })
	p.ask(httptest.NewRequest("POST", "/", strings.NewReader("x")))
	select {
	case err := <-refused:
		if errors.Is(err, ErrBackendSlow) || errors.Is(err, ErrBadBody) {
			t.Errorf("got %v", err)
		}
	default:
		t.Error("it is not refused")
	}
}

// A request is counted when the backend gets it: not if there is no backend, and once if it
// has to be sent again. What broke: while the backend was down, requests counted as sent.
func TestCount(t *testing.T) {
	served := make(chan int, 8) // how many requests the next connection serves
	p, _ := newTestProxy(func(context.Context) (net.Conn, error) {
		select {
		case n := <-served:
			near, far := net.Pipe()
			go serveSome(far, n)
			return near, nil
		default:
			return nil, errors.New("no backend")
		}
	})
	var sent atomic.Int64
	p.config.Count = func() { sent.Add(1) }
	c := &client{proxy: p}
	for i, step := range []struct {
		serves []int // connections to come
		code   int
		sent   int64 // so far
	}{
		{nil, http.StatusBadGateway, 0},
		{[]int{2}, http.StatusOK, 1},
		{nil, http.StatusOK, 2},
		{[]int{1}, http.StatusOK, 3}, // the kept connection has ended
	} {
		for _, n := range step.serves {
			served <- n
		}
		r := httptest.NewRequest("GET", "/", nil)
		target, _ := p.URL(r, "/")
		w := httptest.NewRecorder()
		p.Serve(w, r.WithContext(context.WithValue(r.Context(), key{}, c)), Target{URL: target})
		if w.Code != step.code || sent.Load() != step.sent {
			t.Errorf("step %d: got %d, %d sent, want %d and %d", i, w.Code, sent.Load(), step.code, step.sent)
		}
	}
	c.close()
}

// serveSome responds to n requests, reads one more and closes.
func serveSome(conn net.Conn, n int) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	for {
		if _, err := http.ReadRequest(br); err != nil || n == 0 {
			return
		}
		n--
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

// A waiting is a client's connection, of which only its end counts.
type waiting struct {
	net.Conn
	closed bool
}

func (w *waiting) Close() error {
	w.closed = true
	return nil
}

// When descriptors are scarce, the clients go that have been idle for the longest time,
// and only those that are idle.
func TestScarce(t *testing.T) {
	p := New(Config{Scarce: func(c net.Conn) bool { return c == nil }})
	var conns []*waiting
	for range 6 {
		c := &waiting{}
		conns = append(conns, c)
		p.ConnContext(context.Background(), c)
		p.ConnState(c, http.StateNew)
		p.ConnState(c, http.StateActive)
	}
	for _, i := range []int{3, 0, 5, 1, 4} {
		p.ConnState(conns[i], http.StateIdle)
	}
	p.ConnState(conns[3], http.StateActive) // the oldest goes on
	p.ConnState(conns[0], http.StateClosed)
	closed := func() (list string) {
		for i, c := range conns {
			if c.closed {
				list += fmt.Sprint(i)
			}
		}
		return list
	}
	for _, want := range []string{"15", "145", "145"} {
		p.ConnState(nil, http.StateNew)
		if got := closed(); got != want {
			t.Errorf("closed %s, want %s", got, want)
		}
	}
	for _, c := range conns {
		p.ConnState(c, http.StateClosed)
	}
	if len(p.clients) != 0 || p.idle.Len() != 0 {
		t.Errorf("%d clients, %d idle are left", len(p.clients), p.idle.Len())
	}
}

func TestLogsIn(t *testing.T) {
	for value, want := range map[string]bool{
		"Negotiate": true, "negotiate YII=": true, "NTLM TlRM": true, "Basic realm=\"x\", NTLM": true,
		"Basic bmVnb3RpYXRl": false, "Negotiated x": false, "": false, "Bearer NTLM": false,
	} {
		if got := logsIn([]string{"Digest", value}); got != want {
			t.Errorf("%q: %t, want %t", value, got, want)
		}
	}
}

func requestOf(method string) *http.Request { return httptest.NewRequest(method, "/", nil) }
