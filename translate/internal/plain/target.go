package plain

import (
	"net/http"
	"net/url"
	"strings"
)

// A Target is where a request goes.
type Target struct {
	URL  url.URL
	Last bool // the request is the last of its connection
}

// URL returns the URL whose request line has the resource byte for byte, behind the prefix
// of the Rules. It reports false for a resource that cannot be sent so. A url.URL spells a
// path its own way, unless it is opaque; one that begins with // it would take for a host.
// Such a path must be spelt as a url.URL does, without bytes that a path never has (RFC
// 3986 section 3.3).
func (p *Proxy) URL(r *http.Request, resource string) (url.URL, bool) {
	u := url.URL{Scheme: "http", Host: p.config.Rules.Backend}
	if p.config.TLS {
		u.Scheme = "https"
	}
	if IsServerWide(r) {
		u.Opaque = "*"
		return u, true
	}
	path, query, found := strings.Cut(resource, "?")
	u.RawQuery, u.ForceQuery = query, found && query == ""
	u.Opaque = p.config.Rules.Prefix + path
	if !strings.HasPrefix(u.Opaque, "//") {
		return u, true
	}
	path, u.RawPath, u.Opaque = u.Opaque, u.Opaque, ""
	var err error
	u.Path, err = url.PathUnescape(path)
	return u, err == nil && u.EscapedPath() == path
}

// IsServerWide reports whether a request is about the server as a whole: OPTIONS *,
// for which a URL without a path stands too (RFC 9112 section 3.2.4).
func IsServerWide(r *http.Request) bool {
	u := r.URL
	return r.Method == http.MethodOptions &&
		(r.RequestURI == "*" || u.Host != "" && u.Path == "" && u.RawQuery == "" && !u.ForceQuery)
}
