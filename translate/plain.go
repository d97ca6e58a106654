package translate

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/forward"
	"github.com/ws76/ws76/translate/internal/plain"
	"github.com/ws76/ws76/translate/internal/rawhead"
	"github.com/ws76/ws76/translate/internal/refusal"
)

// plainIdle is how long a connection to the backend is kept between two plain requests of
// its client.
const plainIdle = 30 * time.Second

func (g *Gateway) newRules() *forward.Rules {
	port := ":80"
	if g.options.Backend.TLS != nil {
		port = ":443"
	}
	return &forward.Rules{
		Trusted:      g.options.TrustedProxies,
		PublicURL:    g.options.PublicURL,
		PreserveHost: g.options.PreserveHost && g.options.BackendHost == "",
		Backend:      cmp.Or(g.options.BackendHost, strings.TrimSuffix(g.options.Backend.Address, port)),
		Prefix:       g.options.PathPrefix,
		Secure:       isSecure,
	}
}

// newPlain returns the proxy for plain HTTP; dial connects to the backend.
func (g *Gateway) newPlain(dial func(context.Context) (net.Conn, error)) *plain.Proxy {
	return plain.New(plain.Config{
		Rules:  g.rules,
		TLS:    g.options.Backend.TLS != nil,
		Dial:   dial,
		Idle:   plainIdle,
		Watch:  g.watchClient,
		Scarce: admission.Scarcity(),
		Rest:   func(r *http.Request) { rawhead.Of(r).Drain() },
		Count:  func() { g.count(func(s *Stats) { s.Requests++ }) },
		Log:    g.logPlain,
		Refuse: g.notProxied,
		Proxy:  httputil.ReverseProxy{ErrorLog: g.logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn})},
	})
}

// dialPlain connects to the backend for plain HTTP.
func (g *Gateway) dialPlain(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeouts.Dial)
	defer cancel()
	return g.options.Backend.Connect(ctx)
}

// watchClient returns a context that is cancelled when the client of r leaves. The caller
// must call stop before anything else is read from the client.
func (g *Gateway) watchClient(r *http.Request) (ctx context.Context, stop context.CancelFunc) {
	if conn := rawhead.Of(r); conn != nil {
		return g.poller.Context(r.Context(), conn)
	}
	return r.Context(), func() {}
}

// servePlain passes a request on that is no opening handshake. Its target reaches the
// backend byte for byte, or the request is refused.
func (g *Gateway) servePlain(w http.ResponseWriter, r *http.Request) {
	target, err := g.checkPlain(r)
	if err != nil {
		ref := refusal.Of(err)
		ref.Plain = true
		g.refuse(w, r, legacy.HTTP, ref)
		return
	}
	if g.handler != nil {
		g.handler.ServeHTTP(w, r)
		return
	}
	g.plain.Serve(w, r, target)
}

// checkPlain returns where a plain request goes, or why it is refused. A target that is
// neither a path nor the * of OPTIONS is for a forward proxy, which this is not.
func (g *Gateway) checkPlain(r *http.Request) (target plain.Target, err error) {
	head := rawHead(r)
	if err := checks.Plain(r, head); err != nil {
		return target, err
	}
	resource, ok := legacy.Resource(r)
	if ok || plain.IsServerWide(r) {
		target.URL, ok = g.plain.URL(r, resource)
	}
	if !ok {
		return target, checks.BadTarget(r)
	}
	target.Last = head == nil && r.ContentLength != 0 // its framing is not known to be unambiguous
	return target, nil
}

// notProxied responds to a plain request for which the backend has no response.
func (g *Gateway) notProxied(w http.ResponseWriter, r *http.Request, err error) {
	ref := refusal.OfPlain(err)
	g.count(func(s *Stats) { count(&s.RequestsRefused, Reason(ref.Reason)) })
	g.logger.Warn("request not proxied", g.forwarded(r, "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path), "status", ref.Status, "reason", ref.Reason, "error", err)...)
	http.Error(w, ref.Text(), ref.Status)
}

// logPlain logs a client that did not get its response.
func (g *Gateway) logPlain(r *http.Request, fate plain.Fate) {
	if fate == plain.Slow {
		g.logger.Info("answer not taken", g.forwarded(r, "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path), "reason", string(ClientSlow))...)
		return
	}
	g.count(func(s *Stats) { count(&s.RequestsRefused, ClientLeft) })
	g.logger.Info("request not proxied", g.forwarded(r, "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path), "reason", string(ClientLeft))...)
}
