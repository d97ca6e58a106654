// Package plain proxies plain HTTP as if the gateway were not there: a client's
// connection has one connection to the backend, which no other client ever uses. A
// login that authenticates the connection stays its client's, a new client never meets
// a connection that the backend is about to close, and what the backend sends behind the
// end of a response is nobody else's.
package plain

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"github.com/ws76/ws76/translate/internal/forward"
)

// Config configures a Proxy.
type Config struct {
	Rules *forward.Rules
	TLS   bool // the backend is an https server

	Dial func(context.Context) (net.Conn, error) // connects to the backend
	Idle time.Duration                           // for a backend connection between two requests

	// Watch returns a context that is cancelled when the client of r leaves.
	Watch func(r *http.Request) (context.Context, context.CancelFunc)
	// Scarce reports whether descriptors are scarce now that c has one. It may be nil.
	Scarce func(c net.Conn) bool
	// Rest is called when a response is complete before its request. It may be nil.
	Rest func(r *http.Request)
	// Count is called for each request when the backend gets it.
	Count func()
	// Log is called when a client leaves or does not take its response.
	Log func(r *http.Request, fate Fate)
	// Refuse responds to a request for which the backend has no response.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
	// Proxy is the reverse proxy that each request has a copy of; its ErrorLog is used.
	Proxy httputil.ReverseProxy
}

// A Fate is what became of a client that did not get its response.
type Fate int

// The fates.
const (
	Left Fate = iota // before the backend responded
	Slow             // it did not take the response in time
)

// A Proxy is a reverse proxy for plain HTTP.
type Proxy struct {
	config Config

	mu      sync.Mutex
	clients map[net.Conn]*client
	idle    list.List // of clients between two requests, the oldest first
}

// New returns a Proxy.
func New(c Config) *Proxy { return &Proxy{config: c, clients: map[net.Conn]*client{}} }

type key struct{}

// ConnContext gives requests access to what is kept for their connection. It is for
// http.Server, with ConnState.
func (p *Proxy) ConnContext(ctx context.Context, conn net.Conn) context.Context {
	c := &client{proxy: p, conn: conn}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[conn] = c
	return context.WithValue(ctx, key{}, c)
}

// ConnState closes the connection to the backend with its client's. When descriptors are
// scarce, each new connection closes the two clients that have been idle for the longest
// time: one pair, or what two pairs have left.
func (p *Proxy) ConnState(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		if p.config.Scarce != nil && p.config.Scarce(conn) {
			p.closeIdle(2)
		}
		return
	}
	p.mu.Lock()
	c := p.clients[conn]
	if c == nil {
		p.mu.Unlock()
		return
	}
	if c.place != nil {
		p.idle.Remove(c.place)
		c.place = nil
	}
	switch state {
	case http.StateIdle:
		c.place = p.idle.PushBack(c)
	case http.StateClosed, http.StateHijacked:
		delete(p.clients, conn)
		defer c.close()
	}
	p.mu.Unlock()
}

func (p *Proxy) closeIdle(n int) {
	for ; n > 0; n-- {
		if c := p.oldestIdle(); c != nil {
			c.conn.Close() // net/http tells ConnState
		}
	}
}

func (p *Proxy) oldestIdle() *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle.Len() == 0 {
		return nil
	}
	c := p.idle.Remove(p.idle.Front()).(*client)
	c.place = nil
	return c
}

// Serve passes a request on to target, a URL as URL returns it.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, target Target) {
	c, kept := r.Context().Value(key{}).(*client)
	if !kept {
		c = &client{proxy: p}
		defer c.close()
	}
	ctx, stop := p.config.Watch(r)
	defer stop()
	x := &exchange{proxy: p, client: c, target: target, r: r.WithContext(ctx)}
	x.serve(w)
}
