package forward

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Rules say what the backend is told about a request and its client.
type Rules struct {
	Trusted      []netip.Prefix           // the proxies whose forwarding fields count
	PublicURL    *url.URL                 // scheme and host that clients request; nil = as the request says
	PreserveHost bool                     // the backend gets the client's Host
	Backend      string                   // the backend's own Host, without the default port
	Prefix       string                   // put before every path towards the backend
	Secure       func(*http.Request) bool // whether the client's side of the connection is TLS
}

// Host returns the Host that the backend gets.
func (rules *Rules) Host(r *http.Request) string {
	if rules.PreserveHost {
		return r.Host
	}
	return rules.Backend
}

// Set puts the forwarding fields into header, which goes to the backend: who the
// client is, and which scheme and host it requested. What the peer says about a client
// before it counts only if it is a trusted proxy, and never about the proxy of the
// backend itself.
func (rules *Rules) Set(header http.Header, r *http.Request) {
	peer := peerOf(r)
	trusted := rules.TrustsPeer(r)
	for name := range header {
		if field := canonicalCGI(name); isForwardingField(field) && (!trusted || field != name) {
			delete(header, name)
		}
	}
	delete(header, "Proxy") // to a CGI it is HTTP_PROXY
	secure, host := rules.RequestedURL(r, header)
	proto := "http"
	if secure {
		proto = "https"
	}
	if rules.PublicURL != nil || rules.Secure(r) {
		for _, name := range slices.Concat(schemeFields, []string{"Forwarded", "X-Forwarded-Port"}) {
			delete(header, name)
		}
	}
	values := []string{strings.Join(append(slices.Clone(header["X-Forwarded-For"]), peer), ", "), proto, host}
	if !isUnix(r) { // which has no address to tell
		header["X-Forwarded-For"] = values[:1:1]
	}
	header["X-Forwarded-Proto"] = values[1:2:2]
	if host != "" {
		header["X-Forwarded-Host"] = values[2:]
	}
}

func peerOf(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return peer
}

// isUnix reports whether the client is connected by a Unix socket, and no PROXY header
// has said who it is.
func isUnix(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return local != nil && local.Network() == "unix" && !strings.Contains(r.RemoteAddr, ":")
}

// TrustsPeer reports whether the peer of a connection is a trusted proxy. Who may write to
// a Unix socket of ours is one.
func (rules *Rules) TrustsPeer(r *http.Request) bool { return isUnix(r) || rules.trusts(peerOf(r)) }

func (rules *Rules) trusts(peer string) bool {
	addr, err := netip.ParseAddr(peer)
	return err == nil && slices.ContainsFunc(rules.Trusted, func(p netip.Prefix) bool {
		return p.Contains(addr.Unmap())
	})
}

// ClientOf returns the address that a request counts for: the last one that no
// trusted proxy has, because anybody can write what stands before it. It is a /32, or
// a /64 of IPv6.
func (rules *Rules) ClientOf(r *http.Request) netip.Prefix {
	addr, _ := netip.ParseAddr(peerOf(r))
	addr = addr.WithZone("")
	trusted := isUnix(r) || rules.trusts(addr.String())
	forwarded := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(forwarded) - 1; i >= 0 && trusted; i-- {
		before, ok := parseAddr(strings.TrimSpace(forwarded[i]))
		if !ok {
			break
		}
		addr = before
		trusted = rules.trusts(addr.String())
	}
	bits := 32
	if addr = addr.Unmap(); addr.Is6() {
		bits = 64
	}
	client, _ := addr.Prefix(bits)
	return client
}

// parseAddr reads an element of X-Forwarded-For; some proxies put the port behind
// the address.
func parseAddr(element string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(element); err == nil {
		return at.Addr(), true
	}
	addr, err := netip.ParseAddr(element)
	return addr, err == nil
}
