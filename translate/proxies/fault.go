package proxies

import "strings"

// A Fault is what a proxy on the way did to a handshake.
type Fault string

// The faults.
const (
	Held       Fault = "held"       // key3 never followed the head of the 101
	Lost       Fault = "lost"       // what followed was not key3, or the client dropped the connection over it
	Stripped   Fault = "stripped"   // Upgrade or Connection was removed
	Downgraded Fault = "downgraded" // the request came in HTTP/1.0, which has no upgrade
	Rewritten  Fault = "rewritten"  // Host or scheme was changed, so the client drops the Location
)

var meanings = map[Fault]string{
	Held:       "key3 never came: a proxy on the way holds back what no header announces, even after the 101",
	Lost:       "every -76 client drops the connection at the 101: a proxy on the way loses key3",
	Stripped:   "the handshake came without Upgrade or Connection: a proxy on the way removes them",
	Downgraded: "the handshake came in HTTP/1.0, which cannot upgrade: a proxy on the way speaks HTTP/1.0 to ws76",
	Rewritten:  "every -76 client drops the connection at the 101, whose Location does not match its Origin: a proxy on the way changes Host or hides TLS",
}

// doubts are the meanings of faults that one client alone does not prove.
var doubts = map[Fault]string{
	Lost:      "the client left at the 101: a proxy on the way may have lost key3, or the user left the page",
	Rewritten: "the client left at the 101, whose Location does not match its Origin: a proxy on the way may change Host or hide TLS, or the user left the page",
}

// Meaning is a sentence about the fault.
func (f Fault) Meaning() string { return meanings[f] }

// Doubt is a sentence about the fault where it is only a possibility, empty for a fault
// that is plain to see.
func (f Fault) Doubt() string { return doubts[f] }

// Agree reports whether a Location is on the host and under the scheme of the page whose
// Origin asked for it. An app on a host of its own is no fault, so by itself a
// disagreement proves nothing.
func Agree(origin, location string) bool {
	scheme, host, _ := strings.Cut(origin, "://")
	wsScheme, rest, _ := strings.Cut(location, "://")
	wsHost, _, _ := strings.Cut(rest, "/")
	return strings.EqualFold(host, wsHost) && (scheme == "https") == (wsScheme == "wss")
}
