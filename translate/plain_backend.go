package translate

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// maxAnswer bounds the head of the backend's answer to a plain request.
const maxAnswer = 1 << 20

func (g *Gateway) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            g.connect,
		DialTLSContext:         g.connect,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswer,
	}
}

// connect opens a connection to the backend for plain HTTP. There is only the
// one that is configured.
func (g *Gateway) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeouts.Dial)
	defer cancel()
	conn, err := g.options.Backend.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return newAskedConn(conn), nil
}

// askedOnly takes for an answer only what came after its request. A backend may
// send more than an answer's head says, or a body behind an answer that has none
// (RFC 9112 section 6.3). net/http drops such a connection, but not if the next
// request comes sooner than it looks: then the surplus would be that one's answer,
// and perhaps another client's.
type askedOnly struct{ *http.Transport }

// RoundTrip is the Transport's, whose connections must be askedConns.
func (t askedOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	settled := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { got.Conn.(*askedConn).settle() }}
	return t.Transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), settled)))
}

// An askedConn is a connection to the backend for plain HTTP.
type askedConn struct {
	net.Conn

	mu       sync.Mutex
	changed  *sync.Cond // reading or closed
	reading  bool
	closed   bool
	expected bool // a request has been written since settle
}

func newAskedConn(c net.Conn) *askedConn {
	a := &askedConn{Conn: c}
	a.changed = sync.NewCond(&a.mu)
	return a
}

// settle is for who is about to write a request. It waits until nothing that was
// read is left over: net/http then reads on, and else it closes.
func (c *askedConn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.reading && !c.closed {
		c.changed.Wait()
	}
	c.expected = false
}

var errUnasked = errors.New("the backend sent bytes that no request had asked for")

func (c *askedConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.reading = true
	c.changed.Broadcast()
	c.mu.Unlock()
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if n > 0 && !c.expected {
		return 0, errUnasked
	}
	return n, err
}

func (c *askedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.expected = true
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Close ends the connection, and the wait for it.
func (c *askedConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.changed.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}
