package relay

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/ws76/ws76/translate/wiretest"
)

// asking is a Poller that is asked whether the other side of a connection leaves.
func asking(t *testing.T) (p *Poller, ctx context.Context, far *net.TCPConn) {
	p = new(Poller)
	t.Cleanup(p.Close)
	near, far := wiretest.TCP(t)
	ctx, stop := p.Context(context.Background(), near)
	t.Cleanup(stop)
	return p, ctx, far
}

// The other side is gone although nobody reads: half of TCP, all of it, a reset;
// with bytes before the end and without; before the wait is long enough to be
// polled, and after.
func TestPollerNoticesAnEnd(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*net.TCPConn){
		"half":  func(c *net.TCPConn) { c.CloseWrite() },
		"close": func(c *net.TCPConn) { c.Close() },
		"reset": func(c *net.TCPConn) {
			c.SetLinger(0)
			c.Close()
		},
	}
	for name, end := range ends {
		for _, before := range []string{"", "pipelined"} {
			for _, late := range []bool{false, true} {
				t.Run(name+"-"+before+map[bool]string{true: "-late"}[late], func(t *testing.T) {
					t.Parallel()
					w, ctx, far := asking(t)
					if late {
						polledIs(t, w, 1)
					}
					io.WriteString(far, before)
					end(far)
					<-ctx.Done()
					if cause := context.Cause(ctx); cause != ErrLeft {
						t.Errorf("the cause is %v, want %v", cause, ErrLeft)
					}
				})
			}
		}
	}
}

// A client that is there and sends more has not left, urgent data included.
func TestPollerIsNotMisled(t *testing.T) {
	t.Parallel()
	w, ctx, far := asking(t)
	polledIs(t, w, 1)
	io.WriteString(far, "more")
	sendUrgent(t, far)
	other, left := wiretest.TCP(t)
	ctx2, stop2 := w.Context(context.Background(), other)
	defer stop2()
	polledIs(t, w, 2)
	left.Close()
	<-ctx2.Done() // told by the same goroutine, after the bytes
	if ctx.Err() != nil {
		t.Errorf("a client that is there has left: %v", context.Cause(ctx))
	}
}

// A connection that is kept is polled again for its next request, and one that
// is closed leaves nothing.
func TestPollerAgain(t *testing.T) {
	t.Parallel()
	var w Poller
	defer w.Close()
	near, far := wiretest.TCP(t)
	for range 3 {
		ctx, stop := w.Context(context.Background(), near)
		polledIs(t, &w, 1)
		stop()
		polledIs(t, &w, 0)
		if context.Cause(ctx) != context.Canceled {
			t.Errorf("the cause is %v after stop", context.Cause(ctx))
		}
	}
	_, stop := w.Context(context.Background(), near)
	polledIs(t, &w, 1)
	near.Close()
	stop()
	polledIs(t, &w, 0)
	far.Close()
}

// Below TLS there is a socket; below anything else there may be none.
func TestPollerBelowTLS(t *testing.T) {
	t.Parallel()
	var w Poller
	near, far := wiretest.TCP(t)
	ctx, stop := w.Context(context.Background(), tls.Server(near, &tls.Config{}))
	defer stop()
	far.Close()
	<-ctx.Done()
	pipe, _ := net.Pipe()
	ctx, stop = w.Context(context.Background(), pipe)
	stop()
	w.Close()
	if ctx.Err() == nil {
		t.Error("stop has not ended the context")
	}
	if w.pick() != nil {
		t.Error("a closed Poller goes on")
	}
}

// A request that is quick pays nothing: no descriptor, no goroutine.
func TestPollerIsLazy(t *testing.T) {
	var w Poller
	near, _ := wiretest.TCP(t)
	_, stop := w.Context(context.Background(), near)
	stop()
	if len(w.loops) > 0 {
		t.Error("a set was made for a request that did not wait")
	}
	w.Close()
}
