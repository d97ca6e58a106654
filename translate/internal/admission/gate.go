package admission

import (
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// silence is how long after it was accepted a connection may be silent while the gate drains.
const silence = time.Second

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
	serving   map[Conn]time.Time // since when a first request is waited for; zero: there is one
}

// A Conn is a connection that http.Server serves.
type Conn interface {
	Begins() []byte // what has been read since the last request
	Close() error
}

// NewGate returns a Gate that has let nobody in.
func NewGate(limits Limits) *Gate {
	return &Gate{
		draining: make(chan struct{}), empty: make(chan struct{}),
		limiter: newLimiter(limits), answering: map[io.Closer]struct{}{}, serving: map[Conn]time.Time{},
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

// Listen registers a listener, to be closed by Drain. The gate is not empty until done is
// called, when the listener accepts nothing more. It returns false if Drain came first.
func (g *Gate) Listen(ln io.Closer) (done func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Draining() {
		return nil, false
	}
	g.listeners = append(g.listeners, ln)
	return g.hold(), true
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
	if g.Draining() && g.limiter.open+g.held+len(g.serving) == 0 && !g.isEmpty {
		g.isEmpty = true
		close(g.empty)
	}
}

// Hold keeps the gate from being empty until release is called.
func (g *Gate) Hold() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hold()
}

func (g *Gate) hold() (release func()) {
	g.held++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.held--
		g.checkEmpty()
	}
}

// ConnState is for http.Server. The gate is not empty while a request is served or the
// first one waited for.
func (g *Gate) ConnState(c Conn, state http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch state {
	case http.StateNew:
		g.serving[c] = time.Now()
	case http.StateActive:
		g.serving[c] = time.Time{}
	default:
		delete(g.serving, c)
		g.checkEmpty()
	}
}

// closeSilent closes the connections that were accepted so long ago, or longer, and have not
// sent a byte. http.Server would give them five seconds.
func (g *Gate) closeSilent(age time.Duration) {
	for c, accepted := range g.serving {
		if !accepted.IsZero() && time.Since(accepted) >= age && len(c.Begins()) == 0 {
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

// Drain closes the listeners and lets nobody in from now on, and closes connections that
// have been silent for a second since they were accepted: the first request of a younger
// one may be on its way. It may be called more than once.
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
	g.closeSilent(silence)
	time.AfterFunc(silence, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.closeSilent(0) // the youngest came while the listeners were closed
	})
	g.checkEmpty()
}

// Cut closes the connections of clients that are being answered, and returns how many they
// are, with those of which http.Server serves a request.
func (g *Gate) Cut() (left int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for client := range g.answering {
		client.Close()
	}
	for _, waits := range g.serving {
		if waits.IsZero() {
			left++
		}
	}
	return left + len(g.answering)
}
