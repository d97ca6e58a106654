// Package diagnosis finds opening handshakes that a proxy on the way damaged, and tells a
// proxy that damages every handshake from users who leave a page.
package diagnosis

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/proxies"
)

// promptly is how soon after the 101 a client drops a connection that its own
// checks of the handshake reject.
const promptly = time.Second

// A Diagnosis is a fault that is proven, or only possible.
type Diagnosis struct {
	Fault  proxies.Fault
	Proven bool
}

// Damage is what a proxy on the way did to an opening handshake; the zero Damage is none.
type Damage struct {
	Fault   proxies.Fault `json:"fault"`
	Proxy   string        `json:"proxy,omitempty"` // its kind; empty if unknown
	Meaning string        `json:"meaning"`
	Change  string        `json:"change"` // what to change in the proxy
}

// By returns the damage if this proxy did it.
func (d Diagnosis) By(proxy string) Damage {
	meaning := d.Fault.Meaning()
	if !d.Proven {
		meaning = d.Fault.Doubt()
	}
	return Damage{d.Fault, proxy, meaning, proxies.RecipeFor(proxy).Against(d.Fault)}
}

// Diagnoses remember which are known. The zero value is ready, and safe for concurrent use.
type Diagnoses struct {
	evidence evidence

	mu   sync.Mutex
	last map[Diagnosis]time.Time
}

// Due reports whether a diagnosis is to be logged: at most once a minute.
func (d *Diagnoses) Due(what Diagnosis) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.last[what]; ok && time.Since(t) < time.Minute {
		return false
	}
	if d.last == nil {
		d.last = map[Diagnosis]time.Time{}
	}
	d.last[what] = time.Now()
	return true
}

// Worked notes that a -76 client of this route sent a message.
func (d *Diagnoses) Worked(by Route) { d.evidence.worked(by, time.Now()) }

// Proven reports, for a -76 client that dropped its connection, whether a proxy is the
// cause for certain. talks reports whether a client of the route sends messages now.
func (d *Diagnoses) Proven(by Route, client string, talks func(Route) bool) bool {
	now := time.Now()
	if !d.evidence.dropped(by, client, now) {
		return false
	}
	if talks(by) {
		d.evidence.worked(by, now)
		return false
	}
	return true
}

// FaultOf returns what a proxy did to a request that has just come, empty if nothing is
// to be seen. d and err are what legacy.Detect says.
func FaultOf(r *http.Request, d legacy.Dialect, err error) proxies.Fault {
	switch {
	case hasReason(err, legacy.HTTPVersion) && r.ProtoMajor == 1:
		return proxies.Downgraded
	case d == legacy.HTTP && stripped(r, err):
		return proxies.Stripped
	}
	return ""
}

func hasReason(err error, reason string) bool {
	handshake, ok := errors.AsType[*legacy.HandshakeError](err)
	return ok && handshake.Reason() == reason
}

// stripped reports whether a request that Detect does not take for an opening
// handshake was one when the client sent it.
func stripped(r *http.Request, err error) bool {
	if err != nil {
		return hasReason(err, legacy.UpgradeMissing)
	}
	return r.Header.Get("Sec-Websocket-Version") != "" && r.Header.Get("Sec-Websocket-Key") != ""
}

// RouteOf is the way that a request came. head is the request's as it was received.
func RouteOf(r *http.Request, head []byte) Route {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	return Route{Peer: peer, Proxy: proxies.FromRequest(r, head)}
}

// A Departure is how a -76 client ended a connection without a message.
type Departure struct {
	Skipped   bool          // what it sent did not begin like a message
	Cut       bool          // it left inside a message
	Gone      bool          // it left without a word
	After     time.Duration // since the 101
	Misplaced bool          // Location and Origin disagree
}

// Fault returns the fault that it looks like, empty if it looks like none.
func (d Departure) Fault() proxies.Fault {
	switch {
	case d.Skipped || d.Cut:
		return proxies.Lost
	case !d.Gone || d.After > promptly:
		return ""
	case d.Misplaced:
		return proxies.Rewritten
	}
	return proxies.Lost
}
