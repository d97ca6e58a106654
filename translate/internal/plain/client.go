package plain

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxResponse bounds the head of the backend's response.
const maxResponse = 1 << 20

// errEnded is the error of a request whose backend connection, which had served an
// earlier one, ended without a byte of response. Only its client knows whether to send it
// again.
var errEnded = errors.New("the backend closed the kept connection instead of responding")

// A client is a client's connection, and what is kept for it from its first plain
// request on. Its requests come one after the other.
type client struct {
	proxy *Proxy
	conn  net.Conn
	place *list.Element // among the idle, guarded by Proxy.mu

	mu         sync.Mutex
	transport  *http.Transport // nil before the first request
	backend    *backendConn    // the latest; nil before the first request
	expiry     *time.Timer     // closes an idle backend connection
	replayable bool            // the request may be sent again
	active     bool            // between begin and end
	counted    bool            // the request has been sent
	closed     bool
}

// begin prepares for a request. It returns the Transport, whose idle connection, if it has
// one, waits for the response of this request.
func (c *client) begin(r *http.Request) *http.Transport {
	c.mu.Lock()
	c.active, c.counted = true, false
	if c.transport == nil {
		c.transport = &http.Transport{
			DialContext:            c.dial,
			DialTLSContext:         c.dial,
			MaxIdleConnsPerHost:    1,
			ExpectContinueTimeout:  time.Second,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxResponse,
		}
	}
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.replayable = replayable(r)
	backend, transport := c.backend, c.transport
	c.mu.Unlock()
	if backend != nil {
		backend.settle()
	}
	return transport
}

// replayable reports whether a request may be sent once more (RFC 9110 section 9.2.2).
func replayable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.ContentLength == 0
	}
	return false
}

// dial connects to the backend. net/http dials again for a request whose connection
// ended, if it takes the request for idempotent by a field of its own.
func (c *client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c.mu.Lock()
	again := c.backend != nil && c.backend.wasAsked() && !c.replayable
	c.mu.Unlock()
	if again {
		return nil, errEnded
	}
	conn, err := c.proxy.config.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	c.backend = newBackendConn(conn, c.sent)
	return c.backend, nil
}

// sent counts a request when the backend gets it, once if it has to be sent again.
func (c *client) sent() {
	c.mu.Lock()
	first := !c.counted
	c.counted = true
	c.mu.Unlock()
	if first {
		c.proxy.config.Count()
	}
}

// ended reports whether the connection of a request that failed had served an earlier
// one, and ended without a byte of response.
func (c *client) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backend != nil && c.backend.silentAgain()
}

// end handles the end of a request. A connection that the client is logged in on is
// kept for as long as the client's own.
func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = false
	if c.backend == nil || c.backend.loggedIn {
		return
	}
	if c.expiry == nil {
		c.expiry = time.AfterFunc(c.proxy.config.Idle, c.expire)
		return
	}
	c.expiry.Reset(c.proxy.config.Idle)
}

// expire closes an idle connection to the backend, and keeps nothing of it, unless a
// request has begun in the meantime.
func (c *client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active || c.transport == nil {
		return
	}
	c.transport.CloseIdleConnections()
	c.transport, c.backend = nil, nil
}

// close closes the connection to the backend.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.expiry != nil {
		c.expiry.Stop()
	}
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// logIn notes a login on the connection, by a request or a response.
func (c *client) logIn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.backend != nil {
		c.backend.loggedIn = true
	}
}

// loggedIn reports whether logIn was called for the connection that is open.
func (c *client) loggedIn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backend != nil && c.backend.loggedIn
}
