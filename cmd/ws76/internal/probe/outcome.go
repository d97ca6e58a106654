package probe

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/proxies"
)

// An Outcome is what became of an attempt.
type Outcome string

// The outcomes.
const (
	Works            Outcome = "works"
	Held             Outcome = "held"              // no answer while key3 is under way
	Lost             Outcome = "lost"              // a 101, but no proof that key3 arrived
	RefusedByProxy   Outcome = "refused-by-proxy"  // by a proxy itself
	RefusedByApp     Outcome = "refused-by-app"    // or by the gateway before it
	LocationMismatch Outcome = "location-mismatch" // a 101 for another URL or origin
	Changed          Outcome = "changed"           // a 101, but not to the letter
	Stripped         Outcome = "stripped"          // answered as if it were no handshake
	Ended            Outcome = "ended"             // closed at the message
	Timeout          Outcome = "timeout"
	Unreachable      Outcome = "unreachable"
)

var meanings = map[Outcome]string{
	Works:            "a client of this kind gets through",
	Held:             "no answer came while key3, which no header announces, was under way: a proxy holds it back until it sees a 101, and the server waits for it before it answers; or nobody answers at all",
	Lost:             "the head of the 101 came, but not the challenge response that proves that key3 arrived: a proxy lost it",
	RefusedByProxy:   "a proxy on the way answered the handshake itself",
	RefusedByApp:     "the handshake was turned down, by the app or by the gateway before it",
	LocationMismatch: "the 101 is for another URL or Origin than the client asked for, so browsers drop the connection: a proxy changes Host or hides TLS",
	Changed:          "a 101 came, but clients compare what a proxy has changed in it",
	Stripped:         "the answer is one to a plain GET: a proxy removed Upgrade or Connection, or nothing here speaks WebSocket",
	Ended:            "the handshake succeeded, but the connection was closed when a message had been sent",
	Timeout:          "the connection stands, but no complete answer came in time",
	Unreachable:      "no connection to speak on came about",
}

// reasonAdvice explains what the gateway refuses itself, by its reason.
var reasonAdvice = map[string]string{
	"dialect-not-allowed":  "ws76: WS76_DIALECTS=75,76,7,8,13",
	"origin-not-allowed":   "ws76: add the Origin to WS76_ORIGINS, or probe with one that is in it: -origin",
	"backend-unreachable":  "ws76: WS76_BACKEND is to be the app, and the app to run; 127.0.0.1 there is the machine or container of ws76 itself",
	"backend-timeout":      "ws76: WS76_BACKEND is to be the app; if the app is slow, WS76_DIAL_TIMEOUT",
	"backend-bad-answer":   "ws76: WS76_BACKEND is to be the app, and the app to speak RFC 6455",
	"subprotocol-mismatch": "-protocol: ask for the subprotocol that the app speaks, or for none",
	"too-many-connections": "ws76: raise WS76_MAX_CONNECTIONS",
	"too-many-of-client":   "ws76: raise WS76_MAX_CONNECTIONS_PER_CLIENT; if all clients count as one proxy, name it in WS76_TRUSTED_PROXIES",
	"too-many-handshakes":  "ws76: raise WS76_MAX_HANDSHAKES",
	"head-too-large":       "ws76: raise WS76_MAX_HEAD",
	"out-of-resources":     "ws76: raise its limit of file descriptors, or the range of local ports",
	"shutting-down":        "probe again when ws76 has started again",
}

// BackendSettings returns what to set where the URL is that of a backend; empty if it
// speaks RFC 6455, which needs no setting, or if nothing works.
func BackendSettings(results []Result) string {
	for _, is := range []struct{ attempt, settings string }{
		{rfc6455, ""}, {"76", "WS76_BACKEND_DIALECT=76"}, {strict75, "WS76_BACKEND_DIALECT=75"}, {"75-lax", "WS76_BACKEND_DIALECT=75 and WS76_BACKEND_LAX=on"},
	} {
		if slices.ContainsFunc(results, func(r Result) bool { return r.Attempt == is.attempt && r.Outcome == Works }) {
			return is.settings
		}
	}
	return ""
}

// clues are what all results together say: what one answer gives away of the
// proxy, silence does not.
type clues struct {
	proxy    string
	reached  bool // the app, by RFC 6455: a gateway is missing, not the app
	stripped bool // a handshake was answered as if it were none
	silent   bool // nobody has answered anything
}

func cluesOf(results []Result) (c clues) {
	answers := 0
	for _, r := range results {
		c.proxy = cmp.Or(c.proxy, r.Proxy)
		c.reached = c.reached || r.Attempt == rfc6455 && r.Outcome == Works
		c.stripped = c.stripped || r.Outcome == Stripped
		c.silent = c.silent || r.Outcome == Timeout
		if r.Outcome != Held && r.Outcome != Timeout {
			answers++
		}
	}
	c.silent = c.silent && answers == 0
	return c
}

// Informative reports whether the result is of interest only to who asked for it.
func (r Result) Informative() bool { return r.Attempt == strict75 && r.Outcome == Changed }

// Explain says what the results of a walk mean and what to change.
func (p *Prober) Explain(results []Result) {
	c := cluesOf(results)
	for i := range results {
		r := &results[i]
		r.Proxy = cmp.Or(r.Proxy, c.proxy)
		r.Meaning = cmp.Or(r.Meaning, meanings[r.Outcome])
		if r.Outcome != Works && r.Advice == "" {
			r.Advice = p.advice(r, c)
		}
	}
}

func (p *Prober) advice(r *Result, c clues) string {
	recipe := proxies.RecipeFor(r.Proxy)
	switch r.Outcome {
	case Held:
		if c.silent {
			return silenceAdvice
		}
		return "have ws76 answer, which sends the head of its 101 before it has key3; if it does, " + recipe.Strict
	case Stripped, Lost:
		if r.reason == legacy.HTTPVersion {
			return recipe.Version
		}
		return recipe.Pass
	case Ended:
		return endedAdvice(r)
	case RefusedByProxy:
		return proxyAdvice(r, recipe)
	case RefusedByApp:
		return appAdvice(r, recipe, c)
	case LocationMismatch:
		return "ws76: " + p.publicURL() + "; or " + recipe.Host
	case Changed:
		return recipe.Strict
	}
	return silenceAdvice
}

// endedAdvice explains a message at which the connection was closed.
func endedAdvice(r *Result) string {
	if r.Attempt == rfc6455 || r.Attempt == "8" {
		return "the app closes at this message: its log says why, and -message sends another"
	}
	return "the log of ws76 has the reason; if it is binary-message, have the app send text (with npm ws 8: ws.send(data.toString())), or set WS76_BINARY to base64 or drop"
}

const silenceAdvice = "see that the port is the right one and what stands behind it runs; -timeout gives it longer"

// proxyAdvice explains refusals by a proxy. It may dislike the answer, not reach
// its upstream, have no rule for the path, or dislike the request.
func proxyAdvice(r *Result, recipe proxies.Recipe) string {
	switch {
	case r.Proxy == "haproxy" && r.status == http.StatusBadGateway && strings.HasPrefix(r.Attempt, "7"):
		return "HAProxy: option accept-invalid-http-response"
	case r.status == http.StatusBadGateway, r.status == http.StatusServiceUnavailable, r.status == http.StatusGatewayTimeout:
		return "have the proxy forward to the address that ws76 listens on (WS76_LISTEN), and see that ws76 runs there"
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden, r.status == http.StatusNotFound:
		return "have the proxy let this path through to ws76"
	case r.Attempt == "76-declared" && recipe.Declared != "":
		return recipe.Declared
	}
	return recipe.Pass
}

// appAdvice explains refusals that give no reason.
func appAdvice(r *Result, recipe proxies.Recipe, c clues) string {
	switch {
	case c.reached && r.Attempt != rfc6455 && r.Attempt != "http":
		return "put ws76 before the app: it speaks RFC 6455 only"
	case c.stripped && r.status != http.StatusForbidden:
		return recipe.Pass // a library that misses Upgrade may say so in any words
	case r.status == http.StatusForbidden, r.status == http.StatusUnauthorized:
		return "the app decides by Origin or credentials: -origin is what it sees"
	case r.status == http.StatusNotFound:
		return "ask for the path at which the app speaks WebSocket"
	}
	return "the app's log, or that of ws76, has the reason"
}
