package translate

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ws76/ws76/legacy"
)

// A Fault is what a proxy on the way did to a handshake.
type Fault string

// The faults.
const (
	Held      Fault = "held"      // key3 never followed the head of the 101
	Lost      Fault = "lost"      // what followed was not key3, or the client dropped the connection over it
	Stripped  Fault = "stripped"  // Upgrade or Connection was removed
	Rewritten Fault = "rewritten" // Host or scheme was changed, so the client drops the Location
)

var faultSentences = map[Fault]string{
	Held:      "key3 never came: a proxy on the way holds back what no header announces, even after the 101",
	Lost:      "the client dropped the connection right after the 101: a proxy on the way probably lost key3",
	Stripped:  "the handshake came without Upgrade or Connection: a proxy on the way removes them",
	Rewritten: "the client dropped the connection right after the 101, whose Location does not match its Origin: a proxy on the way changes Host or hides TLS",
}

// A front is a kind of proxy that stands before us.
type front string

// fingerprint guesses the front by what it puts into requests.
func fingerprint(r *http.Request, head []byte) front {
	via := strings.ToLower(strings.Join(r.Header["Via"], ","))
	for _, name := range []front{"varnish", "squid", "caddy", "haproxy", "apache"} {
		if strings.Contains(via, string(name)) {
			return name
		}
	}
	switch {
	case r.Header.Get("X-Varnish") != "":
		return "varnish"
	case r.Header.Get("X-Forwarded-Server") != "":
		return "apache"
	case r.Header.Get("X-Host") != "":
		return "lighttpd"
	case bytes.Contains(head, []byte("\r\nconnection: ")):
		return "haproxy" // spells all names in lower case
	case bytes.Contains(head, []byte("\r\nSec-Websocket-")):
		return "go" // spells names as net/http does
	case r.Header.Get("X-Real-Ip") != "" || r.Header.Get("Connection") == "upgrade":
		return "nginx"
	}
	return ""
}

// diagnoses warns of each fault at most once a minute.
type diagnoses struct {
	mu   sync.Mutex
	last map[Fault]time.Time
}

func (d *diagnoses) due(f Fault) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.last[f]; ok && time.Since(t) < time.Minute {
		return false
	}
	if d.last == nil {
		d.last = map[Fault]time.Time{}
	}
	d.last[f] = time.Now()
	return true
}

// diagnose counts a fault and says what to change.
func (g *Gateway) diagnose(f Fault, by front, client string) {
	g.mu.Lock()
	count(&g.stats.Faults, f)
	g.mu.Unlock()
	if !g.diagnoses.due(f) {
		return
	}
	name := string(by)
	if by == "" {
		name = "unknown"
	}
	g.logger.Warn("handshake damaged on the way", "fault", string(f), "front", name, "client", client,
		"meaning", faultSentences[f], "change", RecipeFor(string(by)).against(f))
}

// stripped reports whether a request that Detect does not take for an opening
// handshake was one when the client sent it.
func stripped(r *http.Request, err error) bool {
	var handshake *legacy.HandshakeError
	if errors.As(err, &handshake) {
		return handshake.Reason == legacy.UpgradeMissing
	}
	return r.Header.Get("Sec-Websocket-Version") != "" && r.Header.Get("Sec-Websocket-Key") != ""
}

// suspicion is what a -76 client's end would mean if it came at once.
type suspicion struct {
	front     front
	rewritten bool // Location and Origin disagree
}

func (t *translated) suspect() suspicion {
	return suspicion{
		front:     fingerprint(t.r, rawHead(t.r)),
		rewritten: !sameOrigin(t.Origin, t.gw.location(t.r, t.Resource)),
	}
}

// sameOrigin reports whether a page of the origin opened the location's own
// host, which most pages do.
func sameOrigin(origin, location string) bool {
	scheme, host, _ := strings.Cut(origin, "://")
	wsScheme, rest, _ := strings.Cut(location, "://")
	wsHost, _, _ := strings.Cut(rest, "/")
	return strings.EqualFold(host, wsHost) && (scheme == "https") == (wsScheme == "wss")
}

// promptly is how soon after the 101 a client drops a connection that its own
// checks of the handshake reject.
const promptly = time.Second

// dropped decides, when a bridge is over, whether the client rejected its
// handshake: it left promptly and never sent a message, or what it sent did
// not begin like one.
func (b *bridge) dropped(e *End) (f Fault, damaged bool) {
	u, ok := b.up.tr.(*up)
	if !ok || b.dialect != legacy.Hixie76 || e.By != ByClient || u.messages > 0 || b.suspicion.front == "" {
		return "", false
	}
	switch {
	case u.skipped > 0, e.Reason == ClientCut:
		return Lost, true
	case e.Reason != ClientGone || time.Since(b.since) > promptly:
		return "", false
	case b.suspicion.rewritten:
		return Rewritten, true
	}
	return Lost, true
}
