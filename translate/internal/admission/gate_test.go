package admission

import (
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

type closer struct {
	begins string
	closed int
}

func (c *closer) Close() error   { c.closed++; return nil }
func (c *closer) Begins() []byte { return []byte(c.begins) }

func isEmpty(g *Gate) bool {
	select {
	case <-g.Empty():
		return true
	default:
		return false
	}
}

// A gate that drains lets nobody in, and is empty when all have left and nobody holds it.
func TestDrain(t *testing.T) {
	g := NewGate(Limits{Connections: 2})
	a := netip.MustParsePrefix("192.0.2.1/32")
	early, late := &closer{}, &closer{}
	done, ok := g.Listen(early)
	if !ok || g.Enter(a) != "" || g.Enter(a) != "" || g.Enter(a) != TooManyConnections || g.Open() != 2 {
		t.Fatalf("%d are in", g.Open())
	}
	release := g.Hold()
	g.Leave(a)
	if g.Draining() || isEmpty(g) || early.closed != 0 {
		t.Error("it drains by itself")
	}
	g.Drain()
	g.Drain()
	if _, ok := g.Listen(late); ok || !g.Draining() || early.closed != 1 || late.closed != 0 {
		t.Errorf("draining: %t, listener closed %d times", g.Draining(), early.closed)
	}
	if got := g.Enter(a); got != ShuttingDown {
		t.Errorf("let in while draining: %q", got)
	}
	if isEmpty(g) {
		t.Error("empty with one in")
	}
	g.Leave(a)
	if isEmpty(g) {
		t.Error("empty while it is held")
	}
	release()
	if isEmpty(g) {
		t.Error("empty while a listener accepts")
	}
	done()
	if !isEmpty(g) {
		t.Error("not empty")
	}
	g.Hold()() // a refusal that comes late
	g.Drain()
}

// Nobody in, nothing to wait for.
func TestDrainOfNobody(t *testing.T) {
	g := NewGate(Limits{})
	g.Drain()
	if !isEmpty(g) {
		t.Error("not empty")
	}
}

// A gate that drains closes silent connections when they are a second old, and none that
// has begun a request.
func TestDrainClosesSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Limits{})
		old, silent, begun, asked := &closer{}, &closer{}, &closer{begins: "G"}, &closer{}
		g.ConnState(old, http.StateNew)
		time.Sleep(time.Second)
		for _, c := range []*closer{silent, begun, asked} {
			g.ConnState(c, http.StateNew)
		}
		g.ConnState(asked, http.StateActive)
		check := func(wantOld, wantSilent int) {
			t.Helper()
			if old.closed != wantOld || silent.closed != wantSilent || begun.closed != 0 || asked.closed != 0 {
				t.Errorf("closed: old %d, silent %d, begun %d, asked %d", old.closed, silent.closed, begun.closed, asked.closed)
			}
		}
		check(0, 0)
		g.Drain()
		check(1, 0)
		g.ConnState(old, http.StateClosed)
		time.Sleep(time.Millisecond)
		late := &closer{} // was accepted as the listener closed
		g.ConnState(late, http.StateNew)
		time.Sleep(time.Second)
		synctest.Wait()
		if check(1, 1); late.closed != 1 {
			t.Errorf("the last one accepted was closed %d times", late.closed)
		}
	})
}

// The gate is not empty while a request is served, or may be on its way.
func TestDrainWaitsForRequests(t *testing.T) {
	for _, last := range []http.ConnState{http.StateIdle, http.StateClosed, http.StateHijacked} {
		g, c := NewGate(Limits{}), &closer{}
		g.ConnState(c, http.StateNew)
		g.Drain()
		if isEmpty(g) {
			t.Error("empty with a new connection")
		}
		g.ConnState(c, http.StateActive)
		if isEmpty(g) {
			t.Error("empty with a request")
		}
		if g.ConnState(c, last); !isEmpty(g) {
			t.Errorf("not empty when it is %s", last)
		}
	}
}

// Cut reaches those who are being answered, and nobody else.
func TestCut(t *testing.T) {
	g := NewGate(Limits{})
	now, before, served := &closer{}, &closer{}, &closer{}
	g.ConnState(served, http.StateNew)
	failed := errors.New("failed")
	if err := g.Answer(before, func() error { return failed }); err != failed {
		t.Errorf("got %v", err)
	}
	err := g.Answer(now, func() error {
		if n := g.Cut(); n != 1 {
			t.Errorf("cut %d", n)
		}
		g.ConnState(served, http.StateActive)
		if n := g.Cut(); n != 2 {
			t.Errorf("cut %d, with a request that is served", n)
		}
		return nil
	})
	if err != nil || now.closed != 2 || before.closed+served.closed != 0 {
		t.Errorf("%v, closed: %d, %d", err, now.closed, before.closed)
	}
}
