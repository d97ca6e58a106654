package translate

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/census"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/diagnosis"
	"github.com/ws76/ws76/translate/internal/opening"
	"github.com/ws76/ws76/translate/internal/refusal"
	"github.com/ws76/ws76/translate/internal/relay"
	"github.com/ws76/ws76/translate/internal/response"
	"github.com/ws76/ws76/translate/internal/session"
	"github.com/ws76/ws76/translate/internal/sockets"
)

// A conn is a client and a backend whose opening handshakes are complete.
type conn struct {
	session.Session
	gw        *Gateway
	pair      relay.Pair
	client    netip.Prefix // as limits count it
	remote    string       // the client's address
	path      string
	name      census.Name
	since     time.Time
	route     diagnosis.Route
	misplaced bool // Location and Origin disagree
	tap       Tap  // nil if nobody observes
}

// newOpenings returns what asks the backend for clients and answers them.
func (g *Gateway) newOpenings() *opening.Config {
	o := &g.options
	backend := o.Backend
	backend.Control = sockets.BoundUnsent()
	return &opening.Config{
		Backend: &backend, Rules: g.rules, Dialect: o.BackendDialect, Origin: o.BackendOrigin, Lax: o.BackendLax,
		Slip: func(r *http.Request, slip string) {
			g.logger.Warn("slip of the backend accepted", g.forwarded(r, "dialect", o.BackendDialect.String(), "client", r.RemoteAddr, "slip", slip, "variable", "WS76_BACKEND_LAX")...)
		},
		Key3: o.Timeouts.Key3, Message: o.Limits.Message, Skip: o.Limits.Skip, Binary: o.Binary, Decode: o.BinaryUp,
	}
}

// open serves an opening handshake: it checks the client, asks the backend, sends
// the 101 and joins the two.
func (g *Gateway) open(w http.ResponseWriter, r *http.Request, d legacy.Dialect) {
	hs, err := g.openings.New(r, d, rawHead(r), exchangeOf(r).heads())
	if err != nil {
		g.refuse(w, r, d, refusal.Of(err))
		return
	}
	if !checks.AllowsOrigin(g.options.Origins, hs.Origin()) {
		g.refuse(w, r, d, refusal.NotAllowed(refusal.OriginNotAllowed, hs.Origin()))
		return
	}
	g.handshakes.Add(1)
	client := g.rules.ClientOf(r)
	if reason := g.gate.Enter(client); reason != "" {
		g.refuse(w, r, d, refusal.NotAdmitted(reason, client))
		return
	}
	began := time.Now()
	backend, left, err := g.dial(r, hs)
	if err != nil {
		defer g.gate.Hold()() // or a drain could be over before the refusal is out
		g.gate.Leave(client)
		g.dialFailed(w, r, d, err, left)
		return
	}
	g.complete(w, r, hs, client, backend, began)
}

// dial asks the backend while the client waits, and reports whether the client has left.
func (g *Gateway) dial(r *http.Request, hs opening.Handshake) (backend *modern.Backend, left bool, err error) {
	watched, stop := g.watchClient(r)
	defer stop()
	ctx, cancel := context.WithTimeout(watched, g.options.Timeouts.Dial)
	defer cancel()
	backend, err = hs.Dial(ctx)
	return backend, watched.Err() != nil, err
}

// complete sends an admitted client its 101 and joins it with its backend.
func (g *Gateway) complete(w http.ResponseWriter, r *http.Request, hs opening.Handshake, client netip.Prefix, backend *modern.Backend, began time.Time) {
	socket, rest, err := g.accept(w, r, hs, backend)
	if err != nil {
		g.abort(r, hs, backend, err)
		g.gate.Leave(client)
		return
	}
	g.join(&conn{
		Session: session.Session{Dialect: hs.Dialect(), Backend: g.options.BackendDialect, Limits: &g.limits}, gw: g, client: client, remote: r.RemoteAddr, path: strings.Clone(r.URL.Path), name: census.NameOf(r, hs.Origin(), g.rules.TrustsPeer(r)),
		since: time.Now(), route: routeOf(r), misplaced: hs.Misplaced(), tap: g.tap(r, rest, backend.Rest),
	}, hs, socket, rest, backend, time.Since(began))
}

// dialFailed answers a handshake whose backend dial failed. If the client has
// left, it only logs and closes.
func (g *Gateway) dialFailed(w http.ResponseWriter, r *http.Request, d legacy.Dialect, err error, left bool) {
	if !left {
		g.refuse(w, r, d, refusal.OfDial(d, err))
		return
	}
	if refused, ok := errors.AsType[*modern.RefusedError](err); ok {
		refused.Response.Body.Close()
	}
	g.logAborted(r, d, err)
	if client, _, err := http.NewResponseController(w).Hijack(); err == nil {
		client.Close() // or net/http would go on to what lies behind the head
	}
}

// accept sends the client its 101. It returns the client's socket and what has
// been read from it behind the handshake.
func (g *Gateway) accept(w http.ResponseWriter, r *http.Request, hs opening.Handshake, backend *modern.Backend) (socket net.Conn, rest []byte, err error) {
	client, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	client.SetReadDeadline(time.Time{})
	x := exchangeOf(r)
	x.watch(r)
	err = g.gate.Answer(client, func() error { return hs.Respond(client, rw.Reader, backend) })
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	if key3, wait := hs.Key3(); key3 != nil {
		x.key3(*key3, wait)
		g.count(func(s *Stats) { s.Key3Wait.Observe(wait, Buckets) })
	}
	socket, unread := unwrap(client)
	buffered, _ := rw.Reader.Peek(rw.Reader.Buffered())
	return socket, slices.Concat(buffered, unread), nil
}

// abort ends the backend's connection of a client that did not complete its
// handshake.
func (g *Gateway) abort(r *http.Request, hs opening.Handshake, backend *modern.Backend, err error) {
	backend.Conn.SetDeadline(time.Now().Add(g.options.Timeouts.Close))
	hs.Abandon(backend)
	g.logAborted(r, hs.Dialect(), err)
	response.Drain(backend.Conn) // a reset, for what it has sent since its 101, could take the Close frame back
	backend.Conn.Close()
}

// join registers a connection and starts to carry. A connection whose handshake
// the gateway's shutdown overtook is shut down as well.
func (g *Gateway) join(c *conn, hs opening.Handshake, client net.Conn, rest []byte, backend *modern.Backend, took time.Duration) {
	c.Up, c.Down = hs.Codecs(&c.Summary)
	c.pair.Join(&g.relay, c, relay.Leg{Conn: client, Rest: rest}, relay.Leg{Conn: backend.Conn, Rest: backend.Rest})
	g.registry.opened(c, took)
	if g.logger.IsInfo() {
		args := []any{"dialect", c.Dialect.String(), "client", c.remote, "path", hclog.Quote(c.path), "seconds", took.Seconds()}
		g.logger.Info("connection opened", c.named(args)...)
	}
	if g.gate.Draining() {
		c.pair.Shutdown()
	}
	c.pair.Start()
}

// Handle has the session decide. It warns once of a backend that has never answered a
// Ping, before it is closed for silence: an app that only writes is not closed while it
// writes, and is as soon as it pauses.
func (c *conn) Handle(e relay.Event) relay.Action {
	known := c.Deaf()
	a := c.Session.Handle(e)
	if c.Deaf() && !known {
		c.gw.logger.Warn("the backend has never answered a Ping: it is closed when it sends nothing between two of them",
			c.named([]any{"dialect", c.Dialect.String(), "client", c.remote, "path", hclog.Quote(c.path), "reason", string(BackendSilent)})...)
	}
	return a
}

// end returns how the connection has ended.
func (c *conn) end() End {
	e := c.End()
	return End{e.By, Reason(e.Reason), e.Err}
}

// Closed is called once, by the Pair, when the connection is over.
func (c *conn) Closed(*relay.Pair) {
	e := c.end()
	c.gw.logClosed(c, e)
	damage := c.gw.diagnoseClosed(c, e)
	if c.tap != nil {
		c.tap.Closed(e, damage)
	}
	defer c.gw.gate.Hold()() // a drain that is over has counted all
	c.gw.gate.Leave(c.client)
	c.gw.registry.closed(c, e)
}

// forwarded appends to the arguments of a line whom trusted proxies say the client is.
func (g *Gateway) forwarded(r *http.Request, args ...any) []any {
	if client := census.NameOf(r, "", g.rules.TrustsPeer(r)).ForwardedFor(); client != "" {
		args = append(args, "forwarded_for", hclog.Quote(client))
	}
	return args
}

// named appends to the arguments of a line what there is of the client's name.
func (c *conn) named(args []any) []any {
	for key, value := range c.name.All {
		args = append(args, key, hclog.Quote(value))
	}
	return args
}

func (g *Gateway) logClosed(c *conn, e End) {
	if e.Reason == BinaryMessage {
		g.logger.Warn("binary message ended a connection", c.named([]any{"by", string(e.By), "dialect", c.Dialect.String(), "client", c.remote, "path", hclog.Quote(c.path), "reason", string(e.Reason)})...)
	}
	if !g.logger.IsInfo() {
		return
	}
	t, undelivered := c.delivered()
	args := []any{
		"dialect", c.Dialect.String(), "client", c.remote, "path", hclog.Quote(c.path), "seconds", time.Since(c.since).Seconds(),
		"messages_up", t.MessagesUp, "bytes_up", t.BytesUp,
		"messages_down", t.MessagesDown, "bytes_down", t.BytesDown,
		"by", string(e.By), "reason", string(e.Reason),
	}
	if undelivered > 0 {
		args = append(args, "undelivered_bytes", undelivered)
	}
	if e.Err != nil {
		args = append(args, "error", e.Err)
	}
	g.logger.Info("connection closed", c.named(args)...)
}

// logAborted counts, diagnoses and logs a handshake that the client did not
// complete.
func (g *Gateway) logAborted(r *http.Request, d legacy.Dialect, err error) {
	reason := ClientLeft
	var handshake *legacy.HandshakeError
	switch {
	case errors.As(err, &handshake):
		reason = Reason(handshake.Reason())
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = ClientSlow
	}
	g.diagnoseAborted(r, reason)
	g.count(func(s *Stats) { count(&s.Refused, Refused{d, reason}) })
	g.observeFailure(r, reason, 0, err.Error())
	g.logger.Warn("opening handshake not completed", g.forwarded(r, "dialect", d.String(), "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path), "reason", string(reason), "error", err)...)
}
