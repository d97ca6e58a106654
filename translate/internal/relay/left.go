package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// ErrLeft is the cause of a context that Poller.Context has cancelled.
var ErrLeft = errors.New("the other side ended TCP while nobody read from it")

// watchDelay is how long somebody must have waited before a socket is polled:
// quick requests pay no system call.
const watchDelay = 250 * time.Millisecond

// Context returns a context that is cancelled, with ErrLeft as its cause, when
// the other side of conn leaves. Bytes that nobody has read do not hide the end
// behind them. conn is a socket, or has a NetConn method that leads to one, as
// tls.Conn has; any other conn is not polled. The caller must call stop when it
// goes on reading from conn, and before it closes conn.
func (p *Poller) Context(parent context.Context, conn net.Conn) (ctx context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	raw := sockets.Raw(sockets.Innermost(conn))
	if raw == nil {
		return ctx, func() { cancel(context.Canceled) }
	}
	l := &leaving{p: p, raw: raw, cancel: cancel}
	l.timer = time.AfterFunc(watchDelay, l.begin)
	return ctx, l.stop
}

// leaving is one call of Context.
type leaving struct {
	p      *Poller
	raw    syscall.RawConn
	cancel context.CancelCauseFunc
	timer  *time.Timer

	mu      sync.Mutex
	loop    *loop // nil while the socket is not polled
	slot    uint32
	stopped bool
}

func (l *leaving) ready(uint32) (more bool) {
	l.cancel(ErrLeft)
	return false
}

func (l *leaving) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	loop := l.p.pick()
	if l.stopped || loop == nil {
		return
	}
	l.raw.Control(func(fd uintptr) {
		if slot, err := loop.add(fd, forLeft, l); err == nil {
			l.loop, l.slot = loop, slot
		}
	})
}

func (l *leaving) stop() {
	l.timer.Stop()
	l.mu.Lock()
	l.stopped = true
	if l.loop != nil {
		fd := noFD // if it is closed, it has left the set by itself
		l.raw.Control(func(open uintptr) { fd = open })
		l.loop.remove(l.slot, fd)
		l.loop = nil
	}
	l.mu.Unlock()
	l.cancel(context.Canceled)
}

// noFD is no descriptor.
const noFD = ^uintptr(0)
