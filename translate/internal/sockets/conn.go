// Package sockets is what the gateway asks of its sockets besides net: a write timeout
// for a side that takes nothing, options, what the kernel still holds, and reads and
// writes that do not wait. It imports the standard library only.
package sockets

import (
	"crypto/tls"
	"errors"
	"iter"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// AtOnce is how long a write may take that counts as taken at once.
const AtOnce = time.Millisecond

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
	tcp     bool
	timeout time.Duration

	quick  uint8 // writes in a row that waited, but not for long; only who writes has it and lifted
	lifted bool  // quick is enough, and the bound on what the kernel holds is lifted

	mu    sync.Mutex
	until *deadlines // of writes; nil = none so far
}

// deadlines are the caller's, and that of a Write that waits.
type deadlines struct{ limit, soft time.Time }

// New returns conn with a write timeout, or conn itself if it has one: if it
// is a Conn or leads to one by its method NetConn.
func New(conn net.Conn, timeout time.Duration) net.Conn {
	for layer := range layers(conn) {
		if _, ok := layer.(*Conn); ok {
			return conn
		}
	}
	c := &Conn{Conn: conn, raw: Raw(conn), timeout: timeout}
	if c.raw != nil {
		_, c.tcp = conn.LocalAddr().(*net.TCPAddr)
	}
	return c
}

// NetConn returns what is below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// IsSocket reports whether nothing is below but a socket.
func (c *Conn) IsSocket() bool { return c.raw != nil }

// IsTCP reports whether that is of TCP: the kernel says what the other side has not
// acknowledged.
func (c *Conn) IsTCP() bool { return c.tcp }

// Raw returns the socket, nil if there is none.
func (c *Conn) Raw() syscall.RawConn { return c.raw }

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
		n, _, err = send(c.raw, p, false)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.overdue() { // Wait's own, of an earlier write
		err = nil
	}
	if err == nil && n < len(p) || len(p) == 0 {
		var m int
		m, err = c.Wait(p[n:])
		n += m
	}
	return n, err
}

// Wait writes p as the other side makes room for it. It looks for progress at least at
// each eighth of the timeout.
func (c *Conn) Wait(p []byte) (n int, err error) {
	now, queue := time.Now(), c.SendQueue()
	look := c.timeout / 8
	secure := false
	if c.raw == nil {
		defer c.disarm()
		look = min(look, AtOnce) // or what fits at once would look like progress
		if secure = isSecure(c.Conn); secure {
			look = c.timeout // it takes nothing more after a deadline
		}
	}
	began := now
	for moved := now; ; look = c.timeout / 8 {
		c.arm(now, now.Add(min(look, moved.Add(c.timeout).Sub(now))))
		m, last, err := c.write(p[n:])
		n += m
		if !errors.Is(err, os.ErrDeadlineExceeded) || secure || c.overdue() {
			c.waited(time.Since(began))
			return n, err
		}
		now = time.Now()
		c.waited(now.Sub(began))
		before := queue
		queue = c.SendQueue()
		switch {
		case now.Sub(moved) <= AtOnce:
		case queue < before:
			moved = now
		case m > 0:
			moved = last
		}
		if now.Sub(moved) >= c.timeout {
			return n, err
		}
	}
}

// quickly is how many writes in a row must wait for no longer than AtOnce for a side to be
// quick.
const quickly = 8

// waited notes how long a write has waited so far. What the kernel holds is not bounded for
// a side that is quick, which costs a twentieth of the throughput of large messages, until a
// write waits for a second.
func (c *Conn) waited(d time.Duration) {
	switch {
	case d >= time.Second:
		if c.lifted {
			c.Ask(bindUnsent)
		}
		c.quick, c.lifted = 0, false
	case c.quick == quickly:
	case d > AtOnce:
		c.quick = 0
	default:
		if c.quick++; c.quick == quickly {
			c.lifted = c.Ask(liftUnsent) == 1
		}
	}
}

// write writes p until a deadline comes, and says when the last byte was taken.
func (c *Conn) write(p []byte) (n int, last time.Time, err error) {
	if c.raw != nil && len(p) > 0 {
		return send(c.raw, p, true)
	}
	n, err = c.Conn.Write(p)
	return n, time.Now(), err
}

// SetReadDeadline sets the limit of a Read. It may be called at any time.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
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

// arm has a write that waits end by a time, or somewhat earlier: a deadline that is
// still to come is left as it is, and stays when the write is over, because to set one is
// costly, and most that wait do so again soon, and not for long.
func (c *Conn) arm(now, by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.deadlines()
	if d.soft.Sub(now) <= by.Sub(now)/2 {
		d.soft = by
		c.Conn.SetWriteDeadline(d.earlier())
	}
}

// isSecure reports whether TLS is below.
func isSecure(conn net.Conn) bool {
	for layer := range layers(conn) {
		if _, ok := layer.(*tls.Conn); ok {
			return true
		}
	}
	return false
}

// disarm leaves no deadline but the caller's.
func (c *Conn) disarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadlines().soft = time.Time{}
	c.Conn.SetWriteDeadline(c.until.limit)
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

// SendQueue is how many bytes the other side has not acknowledged, 0 where that
// cannot be known. A connection in memory says it by a method SendQueue.
func (c *Conn) SendQueue() int {
	if c.tcp {
		return c.Ask(QueueNow)
	}
	if q, ok := c.Conn.(interface{ SendQueue() int }); ok {
		return q.SendQueue()
	}
	return 0
}

// SetKeepAlive sets the options that find another side which is gone.
func (c *Conn) SetKeepAlive() {
	c.Ask(func(fd uintptr) int {
		setKeepAlive(int(fd), c.timeout)
		return 0
	})
}

// Ask asks the socket; the answer is 0 where there is none.
func (c *Conn) Ask(question func(fd uintptr) int) (answer int) {
	if c.raw != nil {
		c.raw.Control(func(fd uintptr) { answer = question(fd) })
	}
	return answer
}

// IsClosed reports whether nothing of the queue will be acknowledged any more,
// because the connection was reset or is over. The queue keeps its value then.
func (c *Conn) IsClosed() (closed bool) {
	return c.raw != nil && (c.raw.Control(func(fd uintptr) { closed = state(fd) == stateClosed }) != nil || closed)
}

// IsStuck reports whether err is TCP's own limit (TCP_USER_TIMEOUT), which has ended a
// connection whose other side is there, but takes nothing of what the kernel holds for it.
func (c *Conn) IsStuck(err error) (stuck bool) {
	if c.raw != nil && errors.Is(err, syscall.ETIMEDOUT) {
		c.raw.Control(func(fd uintptr) { stuck = answers(fd) })
	}
	return stuck
}

// Innermost is what is below TLS and other wrappers.
func Innermost(conn net.Conn) (innermost net.Conn) {
	for innermost = range layers(conn) {
	}
	return innermost
}

// layers are conn and what is below it, by the method NetConn.
func layers(conn net.Conn) iter.Seq[net.Conn] {
	return func(yield func(net.Conn) bool) {
		for yield(conn) {
			outer, ok := conn.(interface{ NetConn() net.Conn })
			if !ok {
				return
			}
			conn = outer.NetConn()
		}
	}
}
