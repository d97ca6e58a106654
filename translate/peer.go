package translate

import (
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
	timeout time.Duration   // of one write

	mu     sync.Mutex
	open   bool // a message is begun and not ended
	broken bool // a write failed: what followed would be taken for its rest
	done   bool // the goodbye is out, nothing may follow

	// Between send and try, owned by who holds mu.
	out []byte
	err error
	try func(fd uintptr) bool // tryWrite, bound once

	limit atomic.Pointer[time.Time] // when the closing handshake must be over
}

func (p *peer) init(conn net.Conn, timeout time.Duration) {
	p.conn, p.raw, p.timeout = conn, rawConn(conn), timeout
	p.try = p.tryWrite
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
func (p *peer) send(b []byte) error {
	if p.done || p.broken {
		return net.ErrClosed
	}
	p.out, p.err = b, nil
	if p.raw != nil {
		if err := p.raw.Write(p.try); err != nil {
			p.err = err
		}
	}
	if p.err == nil && len(p.out) > 0 {
		p.err = p.sendRest()
	}
	p.out = nil
	p.broken = p.err != nil
	return p.err
}

// tryWrite writes without waiting.
func (p *peer) tryWrite(fd uintptr) bool {
	for len(p.out) > 0 {
		n, err := writeNow(fd, p.out)
		if n > 0 {
			p.out = p.out[n:]
		}
		switch err {
		case nil, syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			p.err = os.NewSyscallError("write", err)
		}
		break
	}
	return true
}

func (p *peer) sendRest() error {
	p.conn.SetWriteDeadline(time.Now().Add(p.timeout))
	if limit := p.limit.Load(); limit != nil {
		p.conn.SetWriteDeadline(*limit)
	}
	_, err := p.conn.Write(p.out)
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

// left is how long the closing handshake may still take; it has not begun if
// that is for ever.
func (p *peer) left() time.Duration {
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
	if half, ok := p.conn.(interface{ CloseWrite() error }); fin && ok {
		half.CloseWrite()
	}
}

// busy reports whether somebody is writing.
func (p *peer) busy() bool {
	if p.mu.TryLock() {
		p.mu.Unlock()
		return false
	}
	return true
}
