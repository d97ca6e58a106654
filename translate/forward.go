package translate

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// hopByHop are the fields that concern one connection only (RFC 9110 section
// 7.6.1), besides those that Connection names. Expect is about a body, which a
// backend's handshake never has; some would answer it with 100 or 417.
var hopByHop = []string{"Connection", "Expect", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forwardedFields are what proxies say about the client before them and the
// URL that it has asked for, besides those that begin with X-Forwarded.
var forwardedFields = []string{
	"Forwarded", "Forwarded-For", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
	"X-Url-Scheme", "Front-End-Https",
}

// schemeFields are those of them that a better knowledge of the scheme overrules.
var schemeFields = []string{
	"Forwarded", "X-Forwarded-Port", "X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Url-Scheme", "Front-End-Https",
}

func ofForwarding(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded") || slices.Contains(forwardedFields, name)
}

// dashed is a name as a CGI sees it, to which an underscore is the same.
func dashed(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// request is what the backend gets of a legacy client's handshake.
func (g *Gateway) request(r *http.Request, hs *legacy.Handshake) modern.Request {
	header := endToEnd(r.Header)
	for name := range header {
		if strings.HasPrefix(name, "Sec-Websocket-") || strings.HasPrefix(name, "Websocket-") || name == "Content-Length" {
			delete(header, name)
		}
	}
	joinCookies(header)
	g.setForwarded(header, r)
	return modern.Request{Host: g.backendHost(r), Target: g.options.PathPrefix + hs.Resource, Header: header, Protocols: hs.Protocols()}
}

// backendHost is the Host that the backend sees. The backend's own is without the
// default port, as clients send it.
func (g *Gateway) backendHost(r *http.Request) string {
	if g.options.PreserveHost {
		return r.Host
	}
	port := ":80"
	if g.options.Backend.TLS != nil {
		port = ":443"
	}
	return strings.TrimSuffix(g.options.Backend.Address, port)
}

// endToEnd is a copy of a header without the fields of one connection. Those
// that Connection names are none of an opening handshake's own: one that named
// Origin would reach the backend as if it came from no page.
func endToEnd(h http.Header) http.Header {
	out := make(http.Header, len(h)+3)
	maps.Copy(out, h)
	dropOfConnection(out)
	return out
}

// dropOfConnection is endToEnd in place.
func dropOfConnection(h http.Header) {
	for _, values := range h["Connection"] {
		for name := range strings.SplitSeq(values, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); !ofHandshake(name) {
				delete(h, name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// ofHandshake reports whether a field makes the handshake what it is, or says
// who its client is.
func ofHandshake(name string) bool {
	return name == "Origin" || strings.HasPrefix(name, "Sec-Websocket-") || strings.HasPrefix(name, "Websocket-") || ofForwarding(name)
}

// joinCookies makes one line of all cookies (RFC 6265 section 5.4) and drops
// the empty line that Flash sends.
func joinCookies(header http.Header) {
	values := slices.DeleteFunc(slices.Clone(header["Cookie"]), func(v string) bool { return v == "" })
	delete(header, "Cookie")
	if len(values) > 0 {
		header["Cookie"] = []string{strings.Join(values, "; ")}
	}
}

// setForwarded tells the backend who the client is and which scheme and host it
// has asked for: those of the Location. What a peer says about a client before
// it counts only if the peer is a trusted proxy. What it says about the backend's
// own proxy never does.
func (g *Gateway) setForwarded(header http.Header, r *http.Request) {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	trusted := g.trusts(peer)
	for name := range header {
		if field := dashed(name); ofForwarding(field) && (!trusted || field != name) {
			delete(header, name)
		}
	}
	delete(header, "Proxy") // to a CGI it is HTTP_PROXY
	secure, host := g.asked(r, header)
	proto := "http"
	if secure {
		proto = "https"
	}
	if g.knows(r) { // better than the proxies
		for _, name := range schemeFields {
			delete(header, name)
		}
	}
	header["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(header["X-Forwarded-For"]), peer), ", ")}
	header["X-Forwarded-Proto"] = []string{proto}
	if host != "" {
		header["X-Forwarded-Host"] = []string{host}
	}
}

// knows reports whether the scheme of a request is known without what proxies
// say in its fields.
func (g *Gateway) knows(r *http.Request) bool { return g.options.PublicURL != nil || secure(r) }

func (g *Gateway) trusts(peer string) bool {
	addr, err := netip.ParseAddr(peer)
	return err == nil && slices.ContainsFunc(g.options.TrustedProxies, func(p netip.Prefix) bool {
		return p.Contains(addr.Unmap())
	})
}

// asked is the scheme and host that the client has asked for: as configured,
// else TLS as the connection shows it, else as the proxies before us said the
// request was, else as it came.
func (g *Gateway) asked(r *http.Request, said http.Header) (tls bool, host string) {
	if u := g.options.PublicURL; u != nil {
		return u.Scheme == "wss", u.Host
	}
	proto := firstOf(said.Get("X-Forwarded-Proto"))
	tls = secure(r) || strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
	if h := firstOf(said.Get("X-Forwarded-Host")); validHost(h) {
		return tls, h
	}
	return tls, r.Host
}

// location is what the client compares with its URL. Only the client itself
// compares it, so nobody need be trusted.
func (g *Gateway) location(r *http.Request, resource string) string {
	secure, host := g.asked(r, r.Header)
	return legacy.Location(secure, host, resource)
}

// firstOf is the value that the proxy nearest to the client set.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// checkOrigin refuses an opening handshake with two origins: the backend may go
// by another one than is checked here.
func checkOrigin(r *http.Request) error {
	for _, name := range []string{"Origin", "Sec-Websocket-Origin"} {
		if values := r.Header[name]; len(values) > 1 {
			return &legacy.HandshakeError{Reason: legacy.Reason(BadRequest), Detail: name + ": " + strings.Join(values, ", ")}
		}
	}
	return nil
}

// allowsOrigin reports whether the configuration lets the origin in.
func (g *Gateway) allowsOrigin(origin string) bool {
	if g.options.Origins == nil {
		return true
	}
	return slices.ContainsFunc(g.options.Origins, func(allowed string) bool {
		if suffix, wild := strings.CutPrefix(allowed, "*"); wild {
			return strings.HasSuffix(hostOf(origin), strings.ToLower(suffix))
		}
		return strings.EqualFold(origin, allowed)
	})
}

// hostOf is the host of an origin, without scheme and port.
func hostOf(origin string) string {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil {
		return ""
	}
	return u.Hostname()
}
