// Package probe opens a URL as the WebSocket clients of 2009 to today do, and
// says of each handshake what became of it, what that means and which line of
// configuration mends it.
//
// It is polite: one connection after the other, no message unless it is asked for
// one, and a goodbye in the dialect where a handshake succeeds, so that the app sees
// a client that came and went.
package probe

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/legacy"
)

// A Prober is a client's place: what all attempts have in common.
type Prober struct {
	reach.Place
	Origin   string        // empty = the URL's own
	Protocol string        // subprotocol, or a list of them; empty to ask for none
	Message  string        // to send where a handshake succeeds; empty for none
	Agent    string        // User-Agent; empty for none
	Timeout  time.Duration // for one attempt, from connecting to the end of its answer
}

// A Result is what became of an attempt. Proxy, Meaning and Advice are complete
// when Explain has seen all results.
type Result struct {
	Attempt string  `json:"attempt"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
	Proxy   string  `json:"proxy"` // the proxy on the way, by its fingerprint; empty if there is none to see
	Meaning string  `json:"meaning"`
	Advice  string  `json:"advice"` // empty if it works

	status int    // of an answer other than 101
	reason string // why the gateway refused, as its log has it
}

// Attempts are the names of all attempts, in the order of a walk.
func Attempts() []string {
	names := make([]string, len(attempts))
	for i, a := range attempts {
		names[i] = a.name
	}
	return names
}

// Try makes an attempt, by its name, on a connection of its own.
func (p *Prober) Try(ctx context.Context, name string) Result {
	for _, a := range attempts {
		if a.name == name {
			r := p.try(ctx, a)
			r.Attempt = name
			return r
		}
	}
	panic("probe: internal error: no attempt is called " + name)
}

func (p *Prober) try(ctx context.Context, a attempt) Result {
	deadline := time.Now().Add(p.Timeout)
	dialing, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := p.Connect(dialing)
	if err != nil {
		return unreachable(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(deadline)
	return a.run(p, &wire{Conn: conn, br: bufio.NewReader(conn), deadline: deadline})
}

// unreachable is the result of a connection that did not come about.
func unreachable(err error) Result {
	r := Result{Outcome: Unreachable, Detail: err.Error()}
	if e := new(reach.Error); errors.As(err, &e) {
		r.Detail, r.Advice = e.Detail, e.Advice
		switch {
		case e.SilentTLS:
			r.Outcome = Timeout
		case reach.IsTimeout(err):
			r.Advice += "; -timeout gives it longer"
		}
	}
	return r
}

// request is the handshake of a legacy client. The other attempts take Host,
// Origin and Resource from it.
func (p *Prober) request(d legacy.Dialect) *legacy.Request {
	r := legacy.NewRequest(d, p.URL)
	r.Origin = cmp.Or(p.Origin, r.Origin)
	r.Protocol = p.Protocol
	if p.Agent != "" {
		r.Header = http.Header{"User-Agent": {p.Agent}}
	}
	return r
}

// publicURL is the setting of the gateway that makes the Location right.
func (p *Prober) publicURL() string {
	return "WS76_PUBLIC_URL=" + p.URL.Scheme + "://" + p.request(legacy.Hixie75).Host
}
