package probe

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/proxies"
)

// refusal tells who answered a handshake, of a version or of none, with another
// status than 101. In doubt it was the app: a proxy passes its answers on.
func (a *answer) refusal(version string) Result {
	r := Result{Outcome: RefusedByApp, Detail: a.summary(), Proxy: a.Proxy(), status: a.status}
	reason, sentence := a.reason()
	r.reason = reason
	switch {
	case reason == legacy.HTTPVersion:
		r.Outcome, r.Meaning = Stripped, proxies.Downgraded.Meaning()
	case reason == legacy.UpgradeMissing:
		r.Outcome = Stripped
	case reason != "":
		r.Meaning, r.Advice = sentence, cmp.Or(reasonAdvice[reason], "the log of ws76 says more")
	case a.wantsTLS():
		r.Outcome, r.Advice = RefusedByProxy, "the port speaks TLS: ask for wss:// (https://)"
	case a.instead(), a.IsErrorPage():
		r.Outcome = RefusedByProxy
	case a.notUpgraded(version):
		r.Outcome = Stripped
	}
	if to := a.field("Location"); to != "" && a.status/100 == 3 {
		r.Detail += fmt.Sprintf(" to %.200q", to)
		r.Advice = "open that URL instead: no WebSocket client follows a redirect"
	}
	return r
}

// summary is the status, and the word of a refusal that has one or the first
// line of a text.
func (a *answer) summary() string {
	s := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if reason, _ := a.reason(); reason != "" {
		return s + ", " + reason
	}
	line, _, _ := strings.Cut(string(a.Body), "\n")
	line = strings.TrimSpace(line)
	if strings.HasPrefix(a.field("Content-Type"), "text/plain") && line != "" && line != http.StatusText(a.status) {
		s += fmt.Sprintf(", %.80q", line)
	}
	return s
}

// ownRefusal is how the gateway begins its refusals: status, the word of its
// log, and a sentence. It takes 150 KB, which a gateway has no use for.
var ownRefusal = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\d{3}) [A-Z][A-Za-z ]+: ([a-z0-9-]{1,40})\n([ -~]{1,300})\.\n`)
})

// reason is the word of a refusal by the gateway itself, and its sentence.
func (a *answer) reason() (word, sentence string) {
	m := ownRefusal().FindSubmatch(a.Body)
	if m == nil || string(m[1]) != fmt.Sprint(a.status) {
		return "", ""
	}
	return string(m[2]), string(m[3])
}

// instead reports whether this is the answer of someone who could not reach the
// app.
func (a *answer) instead() bool {
	reason, _ := a.reason()
	return reason != "" || a.wantsTLS() || a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout ||
		a.status == http.StatusServiceUnavailable && a.IsErrorPage()
}

// wantsTLS reports whether this is how a TLS port answers HTTP.
func (a *answer) wantsTLS() bool {
	return a.contains(
		"The plain HTTP request was sent to HTTPS port",            // nginx
		"You're speaking plain HTTP to an SSL-enabled server port", // Apache
		"Client sent an HTTP request to an HTTPS server")           // Go
}

// notUpgraded reports whether this is the answer to a request without Upgrade
// or Connection: a page, or the complaint of a WebSocket library. One that
// names the versions it speaks means the version, unless it was one of them.
func (a *answer) notUpgraded(version string) bool {
	versions := a.field("Sec-WebSocket-Version")
	unnamed := versions == "" || version != "" && strings.Contains(versions, version)
	switch a.status {
	case http.StatusOK:
		return true
	case http.StatusNotFound:
		return strings.HasPrefix(a.field("Content-Type"), "text/html")
	case http.StatusUpgradeRequired:
		return unnamed
	case http.StatusBadRequest:
		return versions != "" && unnamed || a.contains(
			"Invalid Upgrade header",            // ws
			`Can "Upgrade" only to "WebSocket"`, // Tornado
			`"Connection" must be "Upgrade"`)    // Tornado
	}
	return false
}

func (a *answer) contains(texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(a.Body, []byte(text)) })
}
