package diagnosis

import (
	"sync"
	"time"
)

const (
	// memory is how long an observation counts.
	memory = 10 * time.Minute
	// enough is how many clients prove a fault.
	enough = 3
	// maxRoutes bounds evidence. Routes beyond it prove nothing.
	maxRoutes = 1000
)

// A Route is the way of clients that have a proxy in common.
type Route struct {
	Peer  string // the address that connects to the gateway
	Proxy string // by its fingerprint
}

// evidence tells a proxy that damages every handshake from users who leave a page: both
// look the same for one client. The zero value is ready, and safe for concurrent use.
type evidence struct {
	mu     sync.Mutex
	routes map[Route]*route
}

type route struct {
	worked  time.Time            // a -76 client sent a message
	dropped map[string]time.Time // by client address, at most enough
}

func (r *route) forget(now time.Time) {
	for client, at := range r.dropped {
		if now.Sub(at) >= memory {
			delete(r.dropped, client)
		}
	}
}

func (r *route) works(now time.Time) bool {
	return !r.worked.IsZero() && now.Sub(r.worked) < memory
}

// at returns what is known of a route, nil if there is no room for it.
func (e *evidence) at(by Route, now time.Time) *route {
	if r := e.routes[by]; r != nil {
		r.forget(now)
		return r
	}
	if e.routes == nil {
		e.routes = map[Route]*route{}
	}
	if len(e.routes) >= maxRoutes {
		e.prune(now)
	}
	if len(e.routes) >= maxRoutes {
		return nil
	}
	r := &route{dropped: map[string]time.Time{}}
	e.routes[by] = r
	return r
}

func (e *evidence) prune(now time.Time) {
	for by, r := range e.routes {
		if r.forget(now); len(r.dropped) == 0 && !r.works(now) {
			delete(e.routes, by)
		}
	}
}

// worked notes that a -76 client of this route sent a message.
func (e *evidence) worked(by Route, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.at(by, now); r != nil {
		r.worked = now
	}
}

// dropped notes that a -76 client dropped its connection as if the handshake were
// damaged. It reports whether that is proven: enough clients did so within ten minutes
// and none sent a message in that time.
func (e *evidence) dropped(by Route, client string, now time.Time) (proven bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.at(by, now)
	if r == nil {
		return false
	}
	if _, known := r.dropped[client]; known || len(r.dropped) < enough {
		r.dropped[client] = now
	}
	return len(r.dropped) >= enough && !r.works(now)
}
