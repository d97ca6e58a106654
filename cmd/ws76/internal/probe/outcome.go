package probe

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/ws76/ws76/translate"
)

// An Outcome is what became of an attempt.
type Outcome string

// The outcomes.
const (
	Works            Outcome = "works"
	Held             Outcome = "held"              // no answer while key3 is under way
	Lost             Outcome = "lost"              // a 101, but no proof that key3 arrived
	RefusedByFront   Outcome = "refused-by-front"  // by a proxy itself
	RefusedByApp     Outcome = "refused-by-app"    // or by the gateway before it
	LocationMismatch Outcome = "location-mismatch" // a 101 for another URL or origin
	Changed          Outcome = "changed"           // a 101, but not to the letter
	Stripped         Outcome = "stripped"          // answered as if it were no handshake
	Timeout          Outcome = "timeout"
	Unreachable      Outcome = "unreachable"
)

var meanings = map[Outcome]string{
	Works:            "a client of this kind gets through",
	Held:             "no answer came while key3, which no header announces, was under way: a proxy holds it back until it sees a 101, and the server waits for it before it answers; or nobody answers at all",
	Lost:             "the head of the 101 came, but not the challenge response that proves that key3 arrived: a proxy lost it",
	RefusedByFront:   "a proxy on the way answered the handshake itself",
	RefusedByApp:     "the handshake was turned down, by the app or by the gateway before it",
	LocationMismatch: "the 101 is for another URL or Origin than the client asked for, so browsers drop the connection: a proxy changes Host or hides TLS",
	Changed:          "a 101 came, but clients compare what a proxy has changed in it",
	Stripped:         "the answer is one to a plain GET: a proxy removed Upgrade or Connection, or nothing here speaks WebSocket",
	Timeout:          "the connection stands, but no complete answer came in time",
	Unreachable:      "no connection to speak on came about",
}

// reasonAdvice is for what the gateway refuses itself, by its reason.
var reasonAdvice = map[string]string{
	"dialect-not-allowed":  "ws76: WS76_DIALECTS=75,76,7,8,13",
	"origin-not-allowed":   "ws76: add the Origin to WS76_ORIGINS, or probe with one that is in it: -origin",
	"backend-unreachable":  "ws76: WS76_BACKEND is to be the app, and the app to run",
	"backend-timeout":      "ws76: WS76_BACKEND is to be the app; if the app is slow, WS76_DIAL_TIMEOUT",
	"backend-bad-answer":   "ws76: WS76_BACKEND is to be the app, and the app to speak RFC 6455",
	"subprotocol-mismatch": "-protocol: ask for the subprotocol that the app speaks, or for none",
	"too-many-connections": "ws76: raise WS76_MAX_CONNECTIONS",
	"shutting-down":        "probe again when ws76 has started again",
}

// clues are what all results together say: what one answer gives away of the
// front, silence does not.
type clues struct {
	front    string
	reached  bool // the app, by RFC 6455: a gateway is missing, not the app
	stripped bool // a handshake was answered as if it were none
	silent   bool // nobody has answered anything
}

func cluesOf(results []Result) (c clues) {
	answers := 0
	for _, r := range results {
		c.front = cmp.Or(c.front, r.Front)
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

// Explain says what the results of a walk mean and what to change.
func (p *Prober) Explain(results []Result) {
	c := cluesOf(results)
	for i := range results {
		r := &results[i]
		r.Front = cmp.Or(r.Front, c.front)
		r.Meaning = cmp.Or(r.Meaning, meanings[r.Outcome])
		if r.Outcome != Works && r.Advice == "" {
			r.Advice = p.advice(r, c)
		}
	}
}

func (p *Prober) advice(r *Result, c clues) string {
	recipe := translate.RecipeFor(r.Front)
	switch r.Outcome {
	case Held:
		if c.silent {
			return silenceAdvice
		}
		return "have ws76 answer, which sends the head of its 101 before it has key3; if it does, " + recipe.Strict
	case Lost, Stripped:
		return recipe.Pass
	case RefusedByFront:
		return frontAdvice(r, recipe)
	case RefusedByApp:
		return appAdvice(r, recipe, c)
	case LocationMismatch:
		return "ws76: " + p.publicURL() + "; or " + recipe.Host
	case Changed:
		return recipe.Strict
	case Timeout:
		return silenceAdvice
	}
	return "see that the host name is right and something listens on that port, and that no firewall is between"
}

const silenceAdvice = "see that the port is the right one and what stands behind it runs; -timeout gives it longer"

// frontAdvice is for refusals by a proxy. It may dislike the answer, not reach
// its upstream, have no rule for the path, or dislike the request.
func frontAdvice(r *Result, recipe translate.Recipe) string {
	switch {
	case r.Front == "haproxy" && r.status == http.StatusBadGateway && strings.HasPrefix(r.Attempt, "7"):
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

// appAdvice is for refusals that give no reason.
func appAdvice(r *Result, recipe translate.Recipe, c clues) string {
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
