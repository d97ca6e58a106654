package translate

import (
	"crypto/tls"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A peer is one socket and the only way to write to it: pumps, pongs, pings and
// goodbyes take turns, and each turn ends between two frames. The exception is
// a message to a legacy client, which may stay open between turns; then no
// frame may go in between, not even FF 00.
type peer struct {
	conn    net.Conn
	raw     syscall.RawConn // of conn; nil if it is not a bare socket
	fd      uintptr         // of raw, for who holds mu and sees that done is not set
	timeout time.Duration   // of one write

	mu     sync.Mutex
	open   bool // a message is begun and not ended
	broken bool // a write failed: what followed would be taken for its rest
	done   bool // the goodbye is out, or the socket is closed: nothing may follow

	limit atomic.Pointer[time.Time] // when the closing handshake must be over

	hangup hangup
}

func (p *peer) init(conn net.Conn, timeout time.Duration) {
	p.conn, p.raw, p.timeout = conn, rawConn(conn), timeout
	if p.raw != nil && p.raw.Control(func(fd uintptr) { p.fd = fd }) != nil {
		p.raw = nil // it is closed, and has no descriptor any more
	}
}

// write sends b; open says whether it ends inside a message.
func (p *peer) write(b []byte, open bool) error {
	p.mu.Lock()
	err := p.send(b)
	p.open = open
	p.mu.Unlock()
	return err
}

// send writes, for who holds mu, what the socket takes at once, and waits only
// with the rest: a deadline is not for free.
func (p *peer) send(b []byte) (err error) {
	if p.done || p.broken {
		return net.ErrClosed
	}
	if p.raw != nil {
		b, err = p.sendNow(b)
	}
	if err == nil && len(b) > 0 {
		err = p.sendRest(b)
	}
	p.broken = err != nil
	return err
}

// sendNow writes without waiting, and returns what is left.
func (p *peer) sendNow(b []byte) (rest []byte, err error) {
	for len(b) > 0 {
		n, err := writeNow(p.fd, b)
		b = b[n:]
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return b, nil
		default:
			return b, os.NewSyscallError("write", err)
		}
	}
	return nil, nil
}

func (p *peer) sendRest(b []byte) error {
	p.conn.SetWriteDeadline(time.Now().Add(p.timeout))
	if limit := p.limit.Load(); limit != nil {
		p.conn.SetWriteDeadline(*limit)
	}
	_, err := p.conn.Write(b)
	if err == nil && p.limit.Load() == nil {
		p.conn.SetWriteDeadline(time.Time{})
	}
	return err
}

// hurry bounds every read and write from now on, those that wait included.
func (p *peer) hurry(limit time.Time) {
	p.limit.Store(&limit)
	p.conn.SetDeadline(limit)
}

// lastCall is how long, at the gateway's own end, a connection that is not a
// bare socket is read for what had come before: it cannot say that there is
// nothing.
const lastCall = 10 * time.Millisecond

// wake ends a read that waits; the pump that it belongs to reads on.
func (p *peer) wake() {
	wait := lastCall
	if p.raw != nil {
		wait = 0
	}
	p.conn.SetReadDeadline(time.Now().Add(wait))
}

// remaining is how long the closing handshake may still take; it has not begun if
// that is for ever.
func (p *peer) remaining() time.Duration {
	if limit := p.limit.Load(); limit != nil {
		return time.Until(*limit)
	}
	return math.MaxInt64
}

// goodbye writes the last bytes, unless they would go inside a message, and
// then, with fin, ends the gateway's half of TCP.
func (p *peer) goodbye(b []byte, fin bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b) > 0 && !p.open {
		p.send(b)
	}
	p.done = true
	if fin {
		p.endHalf()
	}
}

// endHalf ends the gateway's half of TCP. TLS would wait five seconds for its
// last record to be taken, whatever the deadline was.
func (p *peer) endHalf() {
	half, ok := p.conn.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	if secure, ok := p.conn.(*tls.Conn); ok {
		if p.broken || p.remaining() <= 0 {
			return
		}
		cut := func() { secure.NetConn().SetWriteDeadline(time.Now()) }
		defer time.AfterFunc(p.remaining(), cut).Stop()
	}
	half.CloseWrite()
}

// close closes the socket, when nobody writes.
func (p *peer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	if secure, ok := p.conn.(*tls.Conn); ok && (p.broken || p.remaining() <= 0) {
		secure.NetConn().Close()
		return
	}
	p.conn.Close()
}

// busy reports whether somebody is writing.
func (p *peer) busy() bool {
	if p.mu.TryLock() {
		p.mu.Unlock()
		return false
	}
	return true
}
