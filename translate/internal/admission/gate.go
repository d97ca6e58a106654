package admission

import (
	"io"
	"net/netip"
	"sync"
	"time"
)

// A Gate lets connections in as far as the limits allow, until it drains, and knows when
// the last has left. It is safe for concurrent use.
type Gate struct {
	draining chan struct{}
	empty    chan struct{}

	mu        sync.Mutex
	limiter   *limiter
	listeners []io.Closer
	isEmpty   bool // empty is closed
	held      int
	answering map[io.Closer]struct{}
	fresh     map[Fresh]struct{}
}

// A Fresh is a connection of which there is no request yet.
type Fresh interface {
	Begins() []byte // what has been read
	Close() error
}

// NewGate returns a Gate that has let nobody in.
func NewGate(limits Limits) *Gate {
	return &Gate{
		draining: make(chan struct{}), empty: make(chan struct{}),
		limiter: newLimiter(limits), answering: map[io.Closer]struct{}{}, fresh: map[Fresh]struct{}{},
	}
}

// Draining reports whether Drain has been called.
func (g *Gate) Draining() bool {
	select {
	case <-g.draining:
		return true
	default:
		return false
	}
}

// Empty returns a channel that is closed when the gate drains and all have left.
func (g *Gate) Empty() <-chan struct{} { return g.empty }

// Listen registers a listener, to be closed by Drain. It returns false if Drain
// came first.
func (g *Gate) Listen(ln io.Closer) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Draining() {
		return false
	}
	g.listeners = append(g.listeners, ln)
	return true
}

// Enter takes room for one more connection of the client, to be given back by
// Leave, or returns the reason why there is none.
func (g *Gate) Enter(client netip.Prefix) (reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Draining() {
		return ShuttingDown
	}
	return g.limiter.enter(client, time.Now())
}

// Leave gives back the room of an Enter.
func (g *Gate) Leave(client netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limiter.leave(client)
	g.checkEmpty()
}

// Open returns how many connections are in.
func (g *Gate) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limiter.open
}

func (g *Gate) checkEmpty() {
	if g.Draining() && g.limiter.open+g.held == 0 && !g.isEmpty {
		g.isEmpty = true
		close(g.empty)
	}
}

// Hold keeps the gate from being empty until release is called.
func (g *Gate) Hold() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.held--
		g.checkEmpty()
	}
}

// Fresh notes whether a connection is one that has not sent a request yet.
func (g *Gate) Fresh(c Fresh, is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if is {
		g.fresh[c] = struct{}{}
	} else {
		delete(g.fresh, c)
	}
}

// CloseSilent closes the connections that have not sent a byte, which net/http would
// give five seconds: nobody has asked for anything on them.
func (g *Gate) CloseSilent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.fresh {
		if len(c.Begins()) == 0 {
			c.Close()
		}
	}
}

// Answer runs respond, which sends a client its 101 or a refusal, while Cut can reach the
// client's connection.
func (g *Gate) Answer(client io.Closer, respond func() error) error {
	g.mu.Lock()
	g.answering[client] = struct{}{}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.answering, client)
		g.mu.Unlock()
	}()
	return respond()
}

// Drain closes the listeners and lets nobody in from now on. It may be called more than
// once.
func (g *Gate) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Draining() {
		return
	}
	close(g.draining)
	for _, ln := range g.listeners {
		ln.Close()
	}
	g.checkEmpty()
}

// Cut closes the connections of clients that are being answered, and returns how many.
func (g *Gate) Cut() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for client := range g.answering {
		client.Close()
	}
	return len(g.answering)
}
