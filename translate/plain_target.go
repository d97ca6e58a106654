package translate

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/ws76/ws76/legacy"
)

// ofServer reports whether a request is about the server as a whole: OPTIONS *,
// for which a URL without a path stands too (RFC 9112 section 3.2.4).
func ofServer(r *http.Request) bool {
	u := r.URL
	return r.Method == http.MethodOptions &&
		(r.RequestURI == "*" || u.Host != "" && u.Path == "" && u.RawQuery == "" && !u.ForceQuery)
}

// checkPlain refuses a plain request whose target or Host cannot go on as it is.
// One that is neither a path nor the * of OPTIONS is for a forward proxy, which
// this is not; a backend that agreed to CONNECT would speak something else on the
// connection.
func (g *Gateway) checkPlain(r *http.Request) error {
	if r.Method == http.MethodConnect {
		return &legacy.HandshakeError{Reason: legacy.BadTarget, Detail: r.Method}
	}
	if _, err := g.backendURL(r); err != nil {
		return err
	}
	return checkHost(r)
}

// backendURL is the URL whose request line has the client's own target. A url.URL
// spells a path its own way, but for one that it takes for opaque. One that begins
// with // it would take for a host; such a path is refused if it is spelt otherwise
// than a url.URL does, with bytes that a path never has (RFC 3986 section 3.3).
func (g *Gateway) backendURL(r *http.Request) (*url.URL, error) {
	u := &url.URL{Scheme: "http", Host: g.options.Backend.Address, Path: r.URL.Path} // the path is for the log
	if g.options.Backend.TLS != nil {
		u.Scheme = "https"
	}
	if ofServer(r) {
		u.Opaque = "*"
		return u, nil
	}
	target, err := legacy.Resource(r)
	if err != nil {
		return nil, err
	}
	path, query, found := strings.Cut(target, "?")
	u.RawQuery, u.ForceQuery = query, found && query == ""
	u.Opaque = g.options.PathPrefix + path
	if !strings.HasPrefix(u.Opaque, "//") {
		return u, nil
	}
	path, u.RawPath, u.Opaque = u.Opaque, u.Opaque, ""
	if u.Path, err = url.PathUnescape(path); err != nil || u.EscapedPath() != path {
		return nil, &legacy.HandshakeError{Reason: legacy.BadTarget, Detail: r.RequestURI}
	}
	return u, nil
}
