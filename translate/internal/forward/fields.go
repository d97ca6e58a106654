package forward

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// hopByHop are the fields that concern one connection only (RFC 9110 section
// 7.6.1), besides those that Connection names. Expect is about a body, which a
// backend's handshake never has; some would answer it with 100 or 417.
var hopByHop = []string{"Connection", "Expect", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forwardingFields are what proxies say about the client before them and the
// URL that it requested, besides those that begin with X-Forwarded.
var forwardingFields = []string{
	"Forwarded", "Forwarded-For", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
	"Fastly-Client-Ip", "X-Envoy-External-Address", "X-Original-Forwarded-For", "X-Original-Url", "X-Rewrite-Url",
	"X-Url-Scheme", "Front-End-Https",
}

// notTrailers are fields that must not come behind a body, besides those of one
// connection, of a handshake, conditional ones and those about the body: they say
// who asks, where a message goes and what becomes of it (RFC 9110 section 6.5.1).
var notTrailers = []string{
	"Age", "Authorization", "Cache-Control", "Cookie", "Date", "Expires", "Host", "Location", "Max-Forwards", "Pragma",
	"Proxy", "Proxy-Authenticate", "Range", "Retry-After", "Set-Cookie", "Vary", "Warning", "Www-Authenticate",
}

func isForwardingField(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded") || slices.Contains(forwardingFields, name)
}

// isHandshakeField reports whether a field makes a handshake what it is, or says
// who its client is.
func isHandshakeField(name string) bool {
	return name == "Origin" || strings.HasPrefix(name, "Sec-Websocket-") || strings.HasPrefix(name, "Websocket-") || isForwardingField(name)
}

// canonicalCGI returns name with underscores as dashes; CGI does not distinguish them.
func canonicalCGI(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// EndToEnd returns a copy of h without its hop-by-hop fields.
func EndToEnd(h http.Header) http.Header {
	out := make(http.Header, len(h)+3)
	maps.Copy(out, h)
	RemoveHopByHop(out)
	return out
}

// RemoveHopByHop removes the fields of one connection from h. Connection cannot name
// fields of an opening handshake: without its Origin, the backend would take a
// handshake for one that no page sent.
func RemoveHopByHop(h http.Header) {
	for _, values := range h["Connection"] {
		for name := range strings.SplitSeq(values, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); !isHandshakeField(name) {
				delete(h, name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// CopyForwarding copies the forwarding fields from one header to another.
func CopyForwarding(to, from http.Header) {
	for name, values := range from {
		if isForwardingField(name) {
			to[name] = values
		}
	}
}

// FilterTrailer removes from the trailer of a response what must not come behind a
// body. A digest of the body can come nowhere else (RFC 9530 section 2).
func FilterTrailer(trailer http.Header) {
	for name := range trailer {
		field := canonicalCGI(name)
		if slices.Contains(hopByHop, field) || slices.Contains(notTrailers, field) || isHandshakeField(field) ||
			strings.HasPrefix(field, "If-") || strings.HasPrefix(field, "Content-") && field != "Content-Digest" {
			delete(trailer, name)
		}
	}
}

// JoinCookies makes one line of all cookies (RFC 6265 section 5.4) and removes
// the empty line that Flash sends.
func JoinCookies(h http.Header) {
	values := slices.DeleteFunc(slices.Clone(h["Cookie"]), func(v string) bool { return v == "" })
	delete(h, "Cookie")
	if len(values) > 0 {
		h["Cookie"] = []string{strings.Join(values, "; ")}
	}
}
