package translate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A Gateway is the handler of the one port: it translates -75 and -76 for its
// backend, tunnels versions 7, 8 and 13 to it, and is a reverse proxy for plain
// HTTP. Serve runs it on a listener; a Gateway may also be the Handler of
// another http.Server. All methods may be called concurrently.
type Gateway struct {
	options Options
	logger  hclog.Logger
	server  *http.Server

	proxy     http.Handler // for plain HTTP
	transport *http.Transport

	diagnoses  diagnoses
	handshakes atomic.Int64
	watch      watch

	mu        sync.Mutex
	stats     Stats // without what is open
	admission admission
	listeners []net.Listener
	answering map[net.Conn]struct{} // clients that are being sent their 101
	bridges   map[*bridge]struct{}
	draining  chan struct{} // closed when no more are accepted
	empty     chan struct{} // closed when draining and nothing is open
}

// New returns a Gateway; it does nothing until it is served.
func New(o Options) *Gateway {
	o.Timeouts.setDefaults()
	o.Limits.setDefaults()
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Binary == "" {
		o.Binary = BinaryClose
	}
	g := &Gateway{
		options:   o,
		logger:    o.Logger,
		answering: map[net.Conn]struct{}{},
		bridges:   map[*bridge]struct{}{},
		draining:  make(chan struct{}),
		empty:     make(chan struct{}),
	}
	g.admission = admission{limits: &g.options.Limits, byClient: map[netip.Prefix]int{}}
	g.transport = g.newTransport()
	g.proxy = g.newProxy()
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: o.Timeouts.Head,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    o.Limits.Head - netHTTPSlop,
		ConnContext:       connContext,
		ConnState:         nextHead,
		ErrorLog:          o.Logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),

		DisableGeneralOptionsHandler: true, // OPTIONS * is for the backend
	}
	return g
}

// Serve accepts clients until Shutdown, or until the listener fails. It may be
// called for several listeners. It returns http.ErrServerClosed after Shutdown.
func (g *Gateway) Serve(ln net.Listener) error {
	ln = newHeadListener(ln, g)
	g.mu.Lock()
	if g.Draining() {
		g.mu.Unlock()
		ln.Close()
		return http.ErrServerClosed
	}
	g.listeners = append(g.listeners, ln)
	g.mu.Unlock()
	err := g.server.Serve(ln)
	if g.Draining() {
		return http.ErrServerClosed
	}
	return err
}

// ServeHTTP answers one request: it translates, tunnels or proxies it. An
// opening handshake that succeeds takes the connection over and outlives the
// call.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serving(r)
	d, err := legacy.Detect(r)
	if d != legacy.HTTP {
		g.count(func(s *Stats) { s.saw(d) })
	}
	if d == legacy.HTTP && stripped(r, err) {
		g.diagnose(Stripped, fingerprint(r, rawHead(r)), r.RemoteAddr)
	}
	switch {
	case err != nil:
		g.refuse(w, r, d, handshakeRefusal(err))
	case d == legacy.HTTP:
		g.plain(w, r)
	case g.options.Dialects != nil && !slices.Contains(g.options.Dialects, d):
		g.refuse(w, r, d, refusal{reason: DialectNotAllowed, status: http.StatusForbidden})
	default:
		g.open(w, r, d)
	}
}

// An opening is the opening handshake of a client, checked but not answered.
type opening interface {
	dialect() legacy.Dialect
	origin() string
	// dial asks the backend.
	dial(context.Context) (*modern.Backend, error)
	// answer sends the client its 101; the connection is open when it returns
	// nil. It leaves what follows the handshake in br.
	answer(conn net.Conn, br *bufio.Reader, backend *modern.Backend) error
	// abandon tells a backend that there is nobody to serve.
	abandon(backend *modern.Backend)
	transducers(*Options) (up, down transducer)
	// suspect is what to think of a client that leaves at once.
	suspect() suspicion
}

// newOpening checks a handshake; the error is a *legacy.HandshakeError.
func (g *Gateway) newOpening(r *http.Request, d legacy.Dialect) (opening, error) {
	if d.Legacy() {
		return newTranslated(g, r, d)
	}
	return newTunnelled(g, r, d)
}

// open is an opening handshake: checks, backend, 101, bridge.
func (g *Gateway) open(w http.ResponseWriter, r *http.Request, d legacy.Dialect) {
	o, err := g.newOpening(r, d)
	if err != nil {
		g.refuse(w, r, d, handshakeRefusal(err))
		return
	}
	if !g.allowsOrigin(o.origin()) {
		g.refuse(w, r, d, refusal{reason: OriginNotAllowed, status: http.StatusForbidden, detail: o.origin()})
		return
	}
	g.handshakes.Add(1)
	client := g.clientOf(r)
	if reason := g.enter(client); reason != "" {
		g.refuse(w, r, d, notAdmitted(reason, client))
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), g.options.Timeouts.Dial)
	backend, err := o.dial(ctx)
	if err != nil {
		g.leave(client)
		g.notOpened(w, r, d, err)
		cancel()
		return
	}
	cancel()
	b := g.accept(w, r, o, backend)
	if b == nil {
		g.leave(client)
		return
	}
	b.counted = client
	g.opened(b, r, time.Since(began))
	b.start()
}

// notOpened is after a dial that failed, perhaps because the client left.
func (g *Gateway) notOpened(w http.ResponseWriter, r *http.Request, d legacy.Dialect, err error) {
	if r.Context().Err() != nil {
		if refused := new(modern.RefusedError); errors.As(err, &refused) {
			refused.Response.Body.Close()
		}
		g.notCompleted(r, d, err)
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close() // or net/http would go on to what lies behind the head
		}
		return
	}
	g.refuse(w, r, d, dialRefusal(d, err))
}

// accept answers the client with its 101. It returns nil if the client was not
// there for all of it; the backend has been told then.
func (g *Gateway) accept(w http.ResponseWriter, r *http.Request, o opening, backend *modern.Backend) *bridge {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.SetReadDeadline(time.Time{})
		conn.SetWriteDeadline(time.Now().Add(g.options.Timeouts.Write))
		if err = g.answer(o, conn, rw.Reader, backend); err == nil {
			conn.SetWriteDeadline(time.Time{})
			socket, unread := bare(conn)
			b := newBridge(g, o, socket, append(buffered(rw.Reader), unread...), backend)
			b.suspicion = o.suspect()
			return b
		}
		conn.Close()
	}
	backend.Conn.SetDeadline(time.Now().Add(g.options.Timeouts.Close))
	o.abandon(backend)
	g.notCompleted(r, o.dialect(), err)
	drain(backend.Conn) // a reset, for what it has said since its 101, could take the Close frame back
	backend.Conn.Close()
	return nil
}

// answer has the client answered while Shutdown can still reach it.
func (g *Gateway) answer(o opening, conn net.Conn, br *bufio.Reader, backend *modern.Backend) error {
	g.mu.Lock()
	g.answering[conn] = struct{}{}
	g.mu.Unlock()
	err := o.answer(conn, br, backend)
	g.mu.Lock()
	delete(g.answering, conn)
	g.mu.Unlock()
	return err
}

// buffered is a copy of what a reader holds, nil if it holds nothing.
func buffered(br *bufio.Reader) []byte {
	if br.Buffered() == 0 {
		return nil
	}
	held, _ := br.Peek(br.Buffered())
	return bytes.Clone(held)
}

// enter takes room for one more connection, or says why there is none.
func (g *Gateway) enter(client netip.Prefix) Reason {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Draining() {
		return ShuttingDown
	}
	return g.admission.enter(client, time.Now())
}

// leave gives the room of an enter back.
func (g *Gateway) leave(client netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admission.leave(client)
	g.checkEmpty()
}

func (g *Gateway) checkEmpty() {
	if g.Draining() && g.admission.open == 0 {
		close(g.empty)
		g.watch.stop()
	}
}

// opened enters a bridge into the registry; if the gateway began to shut down
// during its handshake, it is shut down as well.
func (g *Gateway) opened(b *bridge, r *http.Request, took time.Duration) {
	b.remote, b.path = r.RemoteAddr, strings.Clone(r.URL.Path)
	g.mu.Lock()
	g.bridges[b] = struct{}{}
	g.stats.opened(b, took)
	g.mu.Unlock()
	if g.logger.IsInfo() {
		g.logger.Info("connection opened", "dialect", b.dialect.String(), "client", b.remote, "path", hclog.Quote(b.path), "seconds", took.Seconds())
	}
	if g.Draining() {
		b.end(endFor(ByGateway, ShuttingDown, nil))
	}
}

// closed is called by a bridge that is over.
func (g *Gateway) closed(b *bridge) {
	e := b.closing.Load()
	g.mu.Lock()
	delete(g.bridges, b)
	g.stats.closed(b, e)
	g.mu.Unlock()
	g.logClosed(b, e)
	if fault, damaged := b.dropped(e); damaged {
		g.diagnose(fault, b.suspicion.front, b.remote)
	}
	g.leave(b.counted)
}

func (g *Gateway) logClosed(b *bridge, e *End) {
	if !g.logger.IsInfo() {
		return
	}
	args := []any{
		"dialect", b.dialect.String(), "client", b.remote, "path", hclog.Quote(b.path), "seconds", time.Since(b.since).Seconds(),
		"messages_up", b.up.messages.Load(), "bytes_up", b.up.bytes.Load(),
		"messages_down", b.down.messages.Load(), "bytes_down", b.down.bytes.Load(),
		"by", string(e.By), "reason", string(e.Reason),
	}
	if e.Err != nil {
		args = append(args, "error", e.Err)
	}
	g.logger.Info("connection closed", args...)
}

// notCompleted counts and logs a client that was not there for all of its handshake.
func (g *Gateway) notCompleted(r *http.Request, d legacy.Dialect, err error) {
	reason := ClientLeft
	var handshake *legacy.HandshakeError
	switch {
	case errors.As(err, &handshake):
		reason = Reason(handshake.Reason)
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = ClientSlow
	}
	switch reason {
	case Reason(legacy.Key3Timeout):
		g.diagnose(Held, fingerprint(r, rawHead(r)), r.RemoteAddr)
	case Reason(legacy.Key3Missing):
		g.diagnose(Lost, fingerprint(r, rawHead(r)), r.RemoteAddr)
	}
	g.count(func(s *Stats) { s.refused(d, reason) })
	g.logger.Warn("opening handshake not completed", "dialect", d.String(), "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path), "reason", string(reason), "error", err)
}

// count changes the statistics.
func (g *Gateway) count(change func(*Stats)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.stats)
}

// Handshakes is how many opening handshakes have passed the checks that come
// before the backend is asked.
func (g *Gateway) Handshakes() int64 { return g.handshakes.Load() }

// Draining reports whether Shutdown has begun.
func (g *Gateway) Draining() bool {
	select {
	case <-g.draining:
		return true
	default:
		return false
	}
}
