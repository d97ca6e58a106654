package translate

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/opening"
	"github.com/ws76/ws76/translate/internal/rawhead"
	"github.com/ws76/ws76/translate/internal/redact"
	"github.com/ws76/ws76/translate/internal/response"
)

// A refusal is a response other than 101.
type refusal struct {
	reason  Reason
	status  int
	header  http.Header
	relayed *response.Response // the backend's; nil, or one without a body: the reason and its description
	detail  string             // for the log
	cause   error              // for the log instead of it, if there is one
	legal   bool               // the handshake was legal HTTP
	plain   bool               // it is of a request, not of an opening handshake
}

// A rejection is what is wrong with a request, and the response to it.
type rejection interface {
	error
	Reason() string
	Detail() string
	Status() int
	Header() http.Header
}

func handshakeRefusal(err error) refusal {
	var e rejection
	if !errors.As(err, &e) {
		return refusal{reason: ClientLeft, status: http.StatusBadRequest, detail: err.Error()}
	}
	return refusal{reason: Reason(e.Reason()), status: e.Status(), header: e.Header(), detail: e.Detail()}
}

// retryAfter asks for a second of patience.
var retryAfter = http.Header{"Retry-After": {"1"}}

// notAdmitted is the refusal of a client for whom there is no room.
func notAdmitted(reason Reason, client netip.Prefix) refusal {
	ref := refusal{reason: reason, status: http.StatusServiceUnavailable, legal: true, header: retryAfter}
	if reason == TooManyOfClient {
		ref.status, ref.detail = http.StatusTooManyRequests, "counted as "+client.String()
	}
	return ref
}

// dialRefusal returns the response to a client whose backend did not answer 101: the backend's
// own answer if there is one.
func dialRefusal(d legacy.Dialect, err error) refusal {
	var refused *modern.RefusedError
	var failed *modern.DialError
	switch {
	case errors.As(err, &refused):
		resp := refused.Response
		return refusal{reason: BackendRefused, status: resp.StatusCode, relayed: response.Relay(resp, d.Legacy()), legal: true, detail: resp.Status}
	case errors.As(err, &failed):
		ref := refusal{reason: Reason(failed.Reason()), status: failed.Status(), legal: true, detail: err.Error(), cause: failed.Unwrap()}
		if ref.status == http.StatusServiceUnavailable {
			ref.header = retryAfter
		}
		return ref
	}
	return handshakeRefusal(err)
}

// refuse responds with HTTP. What a client has sent behind the head must never be taken
// for a request: where it may have, the connection ends with the response. It goes on
// where the handshake was legal HTTP, all of it has been read, and nothing has come behind
// it: then the client can answer a challenge, follow a redirect or fall back as without
// the gateway.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, d legacy.Dialect, ref refusal) {
	g.count(func(s *Stats) {
		if ref.plain {
			count(&s.RequestsRefused, ref.reason)
		} else {
			count(&s.Refused, Refused{d, ref.reason})
		}
	})
	level, what := hclog.Warn, "opening handshake refused"
	switch {
	case ref.plain:
		level, what = hclog.Info, "request refused"
	case ref.reason == BackendRefused:
		level = hclog.Info
	}
	g.logger.Log(level, what, g.forwarded(r, "dialect", d.String(), "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path),
		"status", ref.status, "reason", string(ref.reason), "error", ref.logged())...)
	resp := ref.response()
	defer resp.Body.Close()
	defer g.observeFailure(r, ref.reason, ref.status, ref.detail)
	exchangeOf(r).watch(r)
	if ref.legal && !resp.Cut && !g.Draining() && opening.IsWhole(w, r, d, rawHead(r)) && rawhead.Of(r).NothingBehind() {
		g.respond(w, r, resp)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, ref.text(), ref.status)
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

// logged returns the log fields besides the reason, each thing once. Some clients send tokens
// as subprotocols.
func (ref refusal) logged() any {
	if ref.cause != nil {
		return ref.cause
	}
	if ref.reason == legacy.BadProtocol || ref.reason == legacy.ProtocolMismatch {
		return hclog.Quote(redact.Value(ref.detail))
	}
	return hclog.Quote(redact.Detail(ref.detail))
}

// response completes what is sent.
func (ref refusal) response() *response.Response {
	resp := ref.relayed
	if resp == nil {
		resp = &response.Response{Status: ref.status, Header: ref.header}
	}
	if resp.Body == nil {
		resp.SetText(ref.text())
	}
	return resp
}

// text says what is wrong in the word of the log and a sentence.
func (ref refusal) text() string {
	return fmt.Sprintf("%d %s: %s\n%s.\n", ref.status, http.StatusText(ref.status), ref.reason, ref.reason.Description())
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
