package translate

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/diagnosis"
	"github.com/ws76/ws76/translate/internal/forward"
	"github.com/ws76/ws76/translate/internal/opening"
	"github.com/ws76/ws76/translate/internal/plain"
	"github.com/ws76/ws76/translate/internal/rawhead"
	"github.com/ws76/ws76/translate/internal/refusal"
	"github.com/ws76/ws76/translate/internal/relay"
	"github.com/ws76/ws76/translate/internal/session"
	"github.com/ws76/ws76/translate/internal/sockets"
)

// A Gateway is the handler of the one port: it translates -75 and -76 for its
// backend, tunnels versions 7, 8 and 13 to it, and is a reverse proxy for plain
// HTTP. Serve runs it on a listener; a Gateway may also be the Handler of
// another http.Server. All methods may be called concurrently.
type Gateway struct {
	*core
	options  Options
	rules    *forward.Rules
	openings *opening.Config
	local    *Gateway // that of Options.Local; nil if there is none
	limits   session.Limits
	handler  http.Handler // of plain HTTP; nil = the backend
}

// A core is what a Gateway has in common with its local one.
type core struct {
	logger hclog.Logger
	server *http.Server
	plain  *plain.Proxy

	diagnoses  diagnosis.Diagnoses
	handshakes atomic.Int64
	poller     relay.Poller
	relay      relay.Config
	gate       *admission.Gate
	registry   registry
}

// New returns a Gateway; it does nothing until it is served.
func New(o Options) *Gateway {
	o.Timeouts.setDefaults()
	o.Limits.setDefaults()
	o.BackendDialect = cmp.Or(o.BackendDialect, legacy.RFC6455)
	o.Binary = cmp.Or(o.Binary, BinaryText)
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	admit := admission.Limits{Connections: o.Limits.Connections, PerClient: o.Limits.ConnectionsPerClient, PerSecond: o.Limits.HandshakesPerSecond}
	g := &Gateway{core: &core{logger: o.Logger, gate: admission.NewGate(admit)}, options: o}
	g.poller.Full = func(err error) {
		o.Logger.Warn("a connection cannot be polled, and has two goroutines instead, about 8 KiB: raise the limit of descriptors, or fs.epoll.max_user_watches", "error", err)
	}
	g.limits = session.Limits{Ping: o.Timeouts.Ping, Idle: o.Timeouts.Idle}
	if o.KeepAliveText != "" && o.Timeouts.Ping > 0 {
		g.limits.Nudge = legacy.AppendText(nil, []byte(o.KeepAliveText))
	}
	g.relay = relay.Config{Write: o.Timeouts.Write, Close: o.Timeouts.Close, Poller: &g.poller}
	g.options.Backend.Control = sockets.Control(o.Timeouts.Write)
	g.options.Backend.Wrap = func(conn net.Conn) net.Conn { return sockets.New(conn, o.Timeouts.Write) }
	g.rules = g.newRules()
	g.openings = g.newOpenings()
	g.plain = g.newPlain(g.dialPlain)
	if o.Local != nil {
		g.local = g.newLocal()
	}
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: o.Timeouts.Head,
		IdleTimeout:       o.Timeouts.KeepAlive,
		MaxHeaderBytes:    o.Limits.Head - netHTTPSlop,
		ConnContext:       g.connContext,
		ConnState:         g.connState,
		ErrorLog:          o.Logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),

		DisableGeneralOptionsHandler: true, // OPTIONS * is for the backend
	}
	return g
}

// Serve accepts clients until Shutdown, or until the listener fails. It may be
// called for several listeners. It returns http.ErrServerClosed after Shutdown.
func (g *Gateway) Serve(ln net.Listener) error {
	ln = rawhead.NewListener(sockets.NewListener(ln, g.options.Timeouts.Write), &rawhead.Config{Limit: g.options.Limits.Head, OnServerError: g.refuseUnparsed})
	done, ok := g.gate.Listen(ln)
	if !ok {
		ln.Close()
		return http.ErrServerClosed
	}
	defer done()
	g.poller.Start() // or the descriptors in use would grow at some client
	err := g.server.Serve(ln)
	if g.Draining() {
		return http.ErrServerClosed
	}
	return err
}

func (g *Gateway) connContext(ctx context.Context, c net.Conn) context.Context {
	return g.plain.ConnContext(rawhead.ConnContext(ctx, c), c)
}

func (g *Gateway) connState(c net.Conn, state http.ConnState) {
	g.gate.ConnState(c.(*rawhead.Conn), state)
	rawhead.ConnState(c, state)
	g.plain.ConnState(c, state)
}

// ServeHTTP answers one request: it translates, tunnels or proxies it. An
// opening handshake that succeeds takes the connection over and outlives the
// call.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rawhead.Of(r).Serve(r)
	if g.local != nil && g.local.options.Local.answers(r) {
		g = g.local
	}
	d, err := legacy.Detect(r)
	if d != legacy.HTTP {
		g.count(func(s *Stats) { s.census.Saw(d, r, time.Now()) })
	}
	if d != legacy.HTTP || err != nil {
		g.debugHead(r)
	}
	fault := diagnosis.FaultOf(r, d, err)
	if d != legacy.HTTP || fault != "" {
		r = g.observe(r, d)
	}
	if fault != "" {
		g.diagnoseRequest(r, fault, true)
	}
	switch {
	case err != nil:
		g.refuse(w, r, d, refusal.Of(err))
	case d == legacy.HTTP:
		g.servePlain(w, r)
	case g.options.Dialects != nil && !slices.Contains(g.options.Dialects, d):
		g.refuse(w, r, d, refusal.NotAllowed(refusal.DialectNotAllowed, ""))
	default:
		g.open(w, r, d)
	}
}

// count changes the statistics.
func (g *Gateway) count(change func(*Stats)) { g.registry.count(change) }

// Stats returns a snapshot.
func (g *Gateway) Stats() Stats { return g.registry.snapshot() }

// Handshakes is how many opening handshakes have passed the checks that come
// before the backend is asked.
func (g *Gateway) Handshakes() int64 { return g.handshakes.Load() }

// Draining reports whether Shutdown has begun.
func (g *Gateway) Draining() bool { return g.gate.Draining() }
