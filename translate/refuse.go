package translate

import (
	"net/http"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/opening"
	"github.com/ws76/ws76/translate/internal/rawhead"
	"github.com/ws76/ws76/translate/internal/refusal"
	"github.com/ws76/ws76/translate/internal/response"
)

// refuse responds with HTTP. What a client has sent behind the head must never be taken
// for a request: where it may have, the connection ends with the response. It goes on
// where the handshake was legal HTTP, all of it has been read, and nothing has come behind
// it: then the client can answer a challenge, follow a redirect or fall back as without
// the gateway.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, d legacy.Dialect, ref refusal.Refusal) {
	g.count(func(s *Stats) {
		if ref.Plain {
			count(&s.RequestsRefused, Reason(ref.Reason))
		} else {
			count(&s.Refused, Refused{d, Reason(ref.Reason)})
		}
	})
	level, what := hclog.Warn, "opening handshake refused"
	switch {
	case ref.Plain:
		level, what = hclog.Info, "request refused"
	case ref.Reason == refusal.BackendRefused:
		level = hclog.Info
	}
	g.logger.Log(level, what, g.forwarded(r, "dialect", d.String(), "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path),
		"status", ref.Status, "reason", ref.Reason, "error", logged(ref))...)
	resp := ref.Response()
	defer resp.Body.Close()
	defer g.observeFailure(r, Reason(ref.Reason), ref.Status, ref.Detail)
	exchangeOf(r).watch(r)
	if ref.Legal && !resp.Cut && !g.Draining() && opening.IsWhole(w, r, d, rawHead(r)) && rawhead.Of(r).NothingBehind() {
		g.respond(w, r, resp)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, ref.Text(), ref.Status)
		return
	}
	defer g.gate.Hold()()
	defer conn.Close()
	below := conn
	if hc, ok := conn.(*rawhead.Conn); ok {
		below = hc.NetConn() // which does not record what it reads
	}
	g.gate.Answer(conn, func() error { return resp.WriteLast(conn, below, g.options.Timeouts.Dial) })
}

// logged is what a log line says of a refusal besides the reason.
func logged(ref refusal.Refusal) any {
	text, cause := ref.Logged()
	if cause != nil {
		return cause
	}
	return hclog.Quote(text)
}

// respond sends a response on a connection that goes on. A body that breaks off ends the
// connection.
func (g *Gateway) respond(w http.ResponseWriter, r *http.Request, resp *response.Response) {
	rawhead.Of(r).SetPhrase(resp.Phrase)
	defer rawhead.Of(r).Observe(nil)
	if resp.Respond(w, g.options.Timeouts.Dial) != nil {
		panic(http.ErrAbortHandler)
	}
}
