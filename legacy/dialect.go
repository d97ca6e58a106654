package legacy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A Dialect is a version of the WebSocket protocol as its opening handshake
// announces it. The zero value is no WebSocket at all: plain HTTP.
type Dialect uint8

// The dialects that shipped in browsers. Every other version was an
// intermediate draft that none enabled.
const (
	HTTP    Dialect = 0
	Hixie75 Dialect = 75 // draft-hixie-thewebsocketprotocol-75
	Hixie76 Dialect = 76 // draft-hixie-thewebsocketprotocol-76 = draft-ietf-hybi-00
	Hybi07  Dialect = 7  // Sec-WebSocket-Version: 7
	Hybi08  Dialect = 8  // Sec-WebSocket-Version: 8, drafts 08 to 12
	RFC6455 Dialect = 13 // Sec-WebSocket-Version: 13
)

// Dialects are all of them, in the order they came up; HTTP is none.
func Dialects() []Dialect { return []Dialect{Hixie75, Hixie76, Hybi07, Hybi08, RFC6455} }

// String returns the number that names the dialect in configuration, logs and
// metrics: "75", "76", "7", "8" or "13"; "http" for the zero value.
func (d Dialect) String() string {
	if d == HTTP {
		return "http"
	}
	return strconv.Itoa(int(d))
}

// Legacy reports whether the dialect has the 0x00..0xFF frames of this package.
func (d Dialect) Legacy() bool { return d == Hixie75 || d == Hixie76 }

// prefix begins the names of the fields that the dialect has of its own.
func (d Dialect) prefix() string {
	if d == Hixie75 {
		return "WebSocket-"
	}
	return "Sec-WebSocket-"
}

// Detect says which dialect a request opens. A request that does not ask for
// an upgrade to WebSocket is HTTP, without error. A request that does, but in
// no way that could be answered with a 101, is a *HandshakeError; the
// connection it came on may carry bytes that no header announces.
//
// Without a key, a version and an Origin, a request is one of -75 only if it spells
// Upgrade as these drafts do: some proxies send Upgrade: websocket with every request.
//
// Two keys decide for -76 whatever else is there. A Sec-WebSocket-Key without
// a version is the mark of HAProxy 3.2, which adds one to the -75 requests it
// forwards; it is taken for -75 only if the rest is the request of a browser
// (Origin, and Upgrade spelt WebSocket).
func Detect(r *http.Request) (Dialect, error) {
	h := r.Header
	keyed := len(h["Sec-Websocket-Key1"]) > 0 || len(h["Sec-Websocket-Key2"]) > 0
	if !hasToken(h["Upgrade"], "websocket") || !hasToken(h["Connection"], "upgrade") {
		if keyed {
			return HTTP, refuse(UpgradeMissing, "Upgrade or Connection")
		}
		return HTTP, nil
	}
	switch {
	case r.Method != http.MethodGet:
		return HTTP, refuse(MethodNotGet, r.Method)
	case r.ProtoMajor != 1 || r.ProtoMinor != 1:
		return HTTP, refuse(HTTPVersion, r.Proto)
	case r.Host == "":
		return HTTP, refuse(HostMissing, "Host")
	}
	// The drafts hybi-01 to -03 kept the handshake of -76 and changed the frames.
	if draft, ok := h["Sec-Websocket-Draft"]; ok && (len(draft) != 1 || draft[0] != "0") {
		return HTTP, refuse(DraftUnsupported, strings.Join(draft, ", "))
	}
	if keyed {
		return withKeys(Hixie76, h, "Sec-Websocket-Key1", "Sec-Websocket-Key2")
	}
	return detectVersion(h)
}

// withKeys returns d if each of its keys is there exactly once.
func withKeys(d Dialect, h http.Header, keys ...string) (Dialect, error) {
	for _, key := range keys {
		switch len(h[key]) {
		case 0:
			return HTTP, refuse(KeyMissing, key)
		case 1:
		default:
			return HTTP, refuse(KeyRepeated, key)
		}
	}
	return d, nil
}

func detectVersion(h http.Header) (Dialect, error) {
	version, key := h["Sec-Websocket-Version"], h["Sec-Websocket-Key"]
	switch {
	case len(version) == 0 && len(key) == 0:
		if h.Get("Origin") == "" && h.Get("Upgrade") != "WebSocket" {
			return HTTP, nil
		}
		return Hixie75, nil
	case len(version) == 0:
		if h.Get("Origin") != "" && h.Get("Upgrade") == "WebSocket" {
			return Hixie75, nil
		}
		return HTTP, refuse(VersionMissing, "Sec-WebSocket-Key")
	case len(version) > 1:
		return HTTP, refuse(VersionUnsupported, strings.Join(version, ", "))
	}
	for _, d := range Dialects() {
		if !d.Legacy() && version[0] == d.String() {
			return withKeys(d, h, "Sec-Websocket-Key")
		}
	}
	return HTTP, refuse(VersionUnsupported, version[0])
}

// hasToken reports whether a comma-separated header field holds the token,
// in any case.
func hasToken(values []string, token string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(values, ","), ","), func(t string) bool {
		return strings.EqualFold(strings.Trim(t, " \t"), token)
	})
}
