package admission

import (
	"errors"
	"net/netip"
	"testing"
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
	if !g.Listen(early) || g.Enter(a) != "" || g.Enter(a) != "" || g.Enter(a) != TooManyConnections || g.Open() != 2 {
		t.Fatalf("%d are in", g.Open())
	}
	release := g.Hold()
	g.Leave(a)
	if g.Draining() || isEmpty(g) || early.closed != 0 {
		t.Error("it drains by itself")
	}
	g.Drain()
	g.Drain()
	if !g.Draining() || early.closed != 1 || g.Listen(late) || late.closed != 0 {
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

// Silent connections are closed, those that have begun a request are not.
func TestCloseSilent(t *testing.T) {
	g := NewGate(Limits{})
	silent, begun, asked := &closer{}, &closer{begins: "G"}, &closer{}
	for _, c := range []*closer{silent, begun, asked} {
		g.Fresh(c, true)
	}
	g.Fresh(asked, false)
	g.CloseSilent()
	if silent.closed != 1 || begun.closed != 0 || asked.closed != 0 {
		t.Errorf("closed: silent %d, begun %d, asked %d", silent.closed, begun.closed, asked.closed)
	}
}

// Cut reaches those who are being answered, and nobody else.
func TestCut(t *testing.T) {
	g := NewGate(Limits{})
	now, before := &closer{}, &closer{}
	failed := errors.New("failed")
	if err := g.Answer(before, func() error { return failed }); err != failed {
		t.Errorf("got %v", err)
	}
	err := g.Answer(now, func() error {
		if n := g.Cut(); n != 1 {
			t.Errorf("cut %d", n)
		}
		return nil
	})
	if err != nil || now.closed != 1 || before.closed != 0 {
		t.Errorf("%v, closed: %d, %d", err, now.closed, before.closed)
	}
}
