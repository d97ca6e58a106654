package relay

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// atOnce is how long what fits at once may take to be written.
const atOnce = time.Millisecond

// A Conn is a connection with a write timeout for a side that takes nothing: a
// Write fails with os.ErrDeadlineExceeded when nothing has moved for that long,
// and goes on for as long as something does. What moves is a byte that the socket
// takes, or one that the other side has acknowledged (SIOCOUTQ on Linux), because
// a slow reader makes room for the next byte only now and then.
//
// It belongs below crypto/tls and net/http: after one timeout every later write
// of a tls.Conn fails. SetWriteDeadline and SetDeadline set a limit that progress
// does not move; nobody need set one.
type Conn struct {
	net.Conn
	raw     syscall.RawConn // nil if Conn is no socket
	timeout time.Duration

	mu    sync.Mutex
	until *deadlines // of writes; nil = none so far
}

// deadlines are the caller's, and that of a Write that waits.
type deadlines struct{ limit, soft time.Time }

// NewConn returns conn with a write timeout, or conn itself if it has one: if it
// is a Conn or leads to one by its method NetConn.
func NewConn(conn net.Conn, timeout time.Duration) net.Conn {
	for inner := conn; ; {
		if _, ok := inner.(*Conn); ok {
			return conn
		}
		outer, ok := inner.(interface{ NetConn() net.Conn })
		if !ok {
			return &Conn{Conn: conn, raw: rawConn(conn), timeout: timeout}
		}
		inner = outer.NetConn()
	}
}

// NetConn returns what is below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// IsSocket reports whether nothing is below but a socket.
func (c *Conn) IsSocket() bool { return c.raw != nil }

// SyscallConn returns the socket.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if c.raw == nil {
		return nil, errors.ErrUnsupported
	}
	return c.raw, nil
}

// CloseWrite ends the gateway's half of TCP.
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Write writes all of p. It tries without a deadline first, because setting one
// is costly.
func (c *Conn) Write(p []byte) (n int, err error) {
	if c.raw != nil {
		n, err = sendRaw(c.raw, p)
	}
	if err == nil && n < len(p) || len(p) == 0 {
		var m int
		m, err = c.wait(p[n:])
		n += m
	}
	return n, err
}

// wait writes p as the other side makes room for it. It looks for progress at an
// eighth of the timeout, after a first look for what fits at once.
func (c *Conn) wait(p []byte) (n int, err error) {
	defer c.setSoft(time.Time{})
	moved, queue := time.Now(), c.sendQueue()
	for next := moved.Add(min(atOnce, c.timeout)); ; {
		c.setSoft(next)
		var m int
		m, err = c.Conn.Write(p[n:])
		n += m
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.overdue() {
			return n, err
		}
		now, before := time.Now(), queue
		queue = c.sendQueue()
		if (m > 0 || queue < before) && now.Sub(moved) > atOnce {
			moved = now
		}
		if now.Sub(moved) >= c.timeout {
			return n, err
		}
		next = now.Add(min(c.timeout/8, moved.Add(c.timeout).Sub(now)))
	}
}

// SetWriteDeadline sets the limit, for a Write that waits too.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() && c.until == nil {
		return c.Conn.SetWriteDeadline(t)
	}
	c.deadlines().limit = t
	return c.Conn.SetWriteDeadline(c.until.earlier())
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *Conn) setSoft(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() && c.until == nil {
		return
	}
	c.deadlines().soft = t
	c.Conn.SetWriteDeadline(c.until.earlier())
}

// deadlines must be called with mu held.
func (c *Conn) deadlines() *deadlines {
	if c.until == nil {
		c.until = new(deadlines)
	}
	return c.until
}

// earlier is the earlier of the two, of which each may be none.
func (d *deadlines) earlier() time.Time {
	if d.limit.IsZero() || !d.soft.IsZero() && d.soft.Before(d.limit) {
		return d.soft
	}
	return d.limit
}

// overdue reports whether the caller's limit has passed.
func (c *Conn) overdue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.until != nil && !c.until.limit.IsZero() && !time.Now().Before(c.until.limit)
}

// sendQueue is how many bytes the other side has not acknowledged, 0 where that
// cannot be known. A connection in memory says it by a method SendQueue.
func (c *Conn) sendQueue() int {
	if q, ok := c.Conn.(interface{ SendQueue() int }); ok {
		return q.SendQueue()
	}
	return c.ask(queueNow)
}

// ask asks the socket; the answer is 0 where there is none.
func (c *Conn) ask(question func(fd uintptr) int) (answer int) {
	if c.raw != nil {
		c.raw.Control(func(fd uintptr) { answer = question(fd) })
	}
	return answer
}

// isClosed reports whether nothing of the queue will be acknowledged any more,
// because the connection was reset or is over. The queue keeps its value then.
func (c *Conn) isClosed() (closed bool) {
	return c.raw != nil && (c.raw.Control(func(fd uintptr) { closed = state(fd) == stateClosed }) != nil || closed)
}

// isStuck reports whether err is TCP's own limit (TCP_USER_TIMEOUT), which has ended a
// connection whose other side is there, but takes nothing of what the kernel holds for it.
func (c *Conn) isStuck(err error) (stuck bool) {
	if c.raw != nil && errors.Is(err, syscall.ETIMEDOUT) {
		c.raw.Control(func(fd uintptr) { stuck = answers(fd) })
	}
	return stuck
}

// KeepAliveIdle and KeepAliveInterval are the keep-alive times that Control sets.
const (
	KeepAliveIdle     = 30 * time.Second
	KeepAliveInterval = 15 * time.Second
)

// A listener gives each connection that it accepts a write timeout.
type listener struct {
	net.Listener
	timeout time.Duration
}

// NewListener returns ln, whose connections then are as NewConn makes them.
func NewListener(ln net.Listener, timeout time.Duration) net.Listener {
	return listener{ln, timeout}
}

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return NewConn(conn, l.timeout), nil
}
