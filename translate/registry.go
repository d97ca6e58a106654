package translate

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/diagnosis"
	"github.com/ws76/ws76/translate/internal/relay"
)

// A registry knows which connections are open, and counts what they did. One lock guards
// all of it, so that no snapshot shows a connection twice or not at all.
type registry struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
	stats Stats                      // without what is open
	shown map[legacy.Dialect]Traffic // by the last snapshot: a counter never falls, though what a side does not take is left out when its connection closes
}

// opened registers a connection whose handshake took so long.
func (r *registry) opened(c *conn, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	put(&r.conns, c, struct{}{})
	r.stats.opened(c, took)
}

// closed removes a connection that has ended.
func (r *registry) closed(c *conn, e End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	r.stats.closed(c, e)
}

// count changes the statistics.
func (r *registry) count(change func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.stats)
}

// snapshot returns the statistics, with what is open.
func (r *registry) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats.clone()
	s.Open = map[legacy.Dialect]int64{}
	for c := range r.conns {
		s.Open[c.Dialect]++
		put(&s.Traffic, c.Dialect, s.Traffic[c.Dialect].Plus(c.traffic()))
	}
	for d, t := range s.Traffic {
		s.Traffic[d] = t.AtLeast(r.shown[d])
		put(&r.shown, d, s.Traffic[d])
	}
	return s
}

// talks reports whether an open -76 connection of the route has sent a message.
func (r *registry) talks(by diagnosis.Route) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		if messages, _ := c.pair.Counts(relay.Client); messages > 0 && c.Dialect == legacy.Hixie76 && c.route == by {
			return true
		}
	}
	return false
}

// open returns the connections that are open.
func (r *registry) open() []*conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.conns))
}

// Shutdown stops accepting, answers handshakes with 503, closes every
// connection in its dialect, lets plain requests end, and returns when all are
// closed. When the context ends first, it closes what is left without a
// goodbye and returns the context's error.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.gate.Drain()
	g.server.SetKeepAlivesEnabled(false)
	for _, c := range g.registry.open() {
		c.pair.Shutdown()
	}
	defer g.poller.Close()
	var err error
	select {
	case <-g.gate.Empty():
		// From its Shutdown on the server drops a request that it reads; so that is last.
		err = g.server.Shutdown(ctx)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		g.cut()
		g.server.Close()
	}
	return err
}

// cut closes every connection that net/http no longer knows of.
func (g *Gateway) cut() {
	open := g.registry.open()
	left := int64(g.gate.Cut() + len(open))
	g.count(func(s *Stats) { s.Cut += left })
	for _, c := range open {
		c.pair.Cut()
	}
}
