package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// restricted answers only those who run the gateway: with a token, whoever knows it;
// without, a peer on this machine, which is where a port-forward comes from too. Pages of
// other sites are refused even in a browser there.
func restricted(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case token != "" && !knows(r, token):
			h.Set("WWW-Authenticate", `Basic realm="ws76", charset="UTF-8"`)
			http.Error(w, "the password is WS76_ADMIN_TOKEN, with any user name", http.StatusUnauthorized)
		case token == "" && !local(r):
			http.Error(w, "without WS76_ADMIN_TOKEN, this path answers only this machine itself, asked as localhost or by an IP address and not through a proxy", http.StatusForbidden)
		case foreign(r):
			http.Error(w, "a page of another site may not ask", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// knows reports whether the request has the token. Both are hashed, so that the time the
// comparison takes does not tell the length.
func knows(r *http.Request, token string) bool {
	_, password, _ := r.BasicAuth()
	got, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// local reports whether the peer is this machine, and asks for it by a name that no
// foreign page can have (DNS rebinding), and for itself.
func local(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, field := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(field) != "" {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err = netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// foreign reports whether a browser says that a page of another origin asks.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return false
	}
	u, err := url.Parse(origins[0])
	return err != nil || len(origins) > 1 || !strings.EqualFold(u.Host, r.Host)
}
