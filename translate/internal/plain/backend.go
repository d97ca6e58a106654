package plain

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// responseWait is how long a response is waited for when the backend does not take any
// more of the request.
const responseWait = 5 * time.Second

var errUnasked = errors.New("the backend sent bytes that no request had asked for")

// A backendConn is a connection to the backend, as a Transport sees it.
//
// A backend may send more than a response's head announces, or a body behind a response
// that has none (RFC 9112 section 6.3). net/http drops such a connection, unless the
// next request comes before it looks: settle makes sure that it has looked.
type backendConn struct {
	net.Conn
	sent     func() // called when a request begins to be written
	loggedIn bool   // the connection itself, by NTLM or Negotiate; guarded by client.mu

	mu       sync.Mutex
	changed  *sync.Cond // reading or closed
	reading  bool
	closed   bool
	broken   bool // a write has failed
	asked    bool // a request has been written since settle
	answered bool // something has been read since settle
	requests int  // calls of settle, and one for the request that dialled
}

func newBackendConn(conn net.Conn, sent func()) *backendConn {
	c := &backendConn{Conn: conn, sent: sent, requests: 1}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// settle waits until the Transport has used all that it had read, and either reads on or
// has closed the connection. What it reads then, before a request is written, is an error.
func (c *backendConn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.reading && !c.closed {
		c.changed.Wait()
	}
	c.asked, c.answered = false, false
	c.requests++
}

func (c *backendConn) wasAsked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// silentAgain reports whether the connection has served a request before this one, and
// nothing has been read since.
func (c *backendConn) silentAgain() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests > 1 && !c.answered
}

func (c *backendConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.reading = true
	c.changed.Broadcast()
	c.mu.Unlock()
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if n > 0 && !c.asked {
		return 0, errUnasked
	}
	c.answered = c.answered || n > 0
	return n, err
}

// Write hides from the Transport that the backend has reset the connection: a response
// that it had sent before, such as 413, can still be read, and counts more than the error.
// The end of TCP behind it follows at once.
func (c *backendConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	first := !c.asked
	c.asked = true
	broken := c.broken
	c.mu.Unlock()
	if first {
		c.sent()
	}
	if broken {
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
	c.Conn.SetReadDeadline(time.Now().Add(responseWait))
	return len(p), nil
}

// Close closes the connection, and ends settle.
func (c *backendConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.changed.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}
