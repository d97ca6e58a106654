package forward

import (
	"net/http"
	"slices"
	"strings"
)

// schemeFields are what proxies say about the scheme besides X-Forwarded-Proto and
// Forwarded: https, or on.
var schemeFields = []string{"X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Url-Scheme", "Front-End-Https"}

// NamesURL reports whether a field says which scheme or host the client requested.
func NamesURL(name string) bool {
	return name == "Forwarded" || slices.Contains(schemeFields, name) ||
		strings.HasPrefix(name, "X-Forwarded") && name != "X-Forwarded-For"
}

// RequestedURL returns the scheme and host that the client requested: as configured,
// else TLS as the connection shows it, else what the forwarding fields in header say,
// else as the request came. The caller decides whose fields are in header.
func (rules *Rules) RequestedURL(r *http.Request, header http.Header) (secure bool, host string) {
	if u := rules.PublicURL; u != nil {
		return u.Scheme == "wss", u.Host
	}
	host = r.Host
	for _, said := range []string{firstElement(header.Get("X-Forwarded-Host")), parameter(header, "host")} {
		if ValidHost(said) {
			host = said
			break
		}
	}
	return rules.Secure(r) || saysSecure(header), host
}

// saysSecure reports whether the proxy nearest to the client says that the request came
// to it by TLS. The first field that names a scheme decides.
func saysSecure(header http.Header) bool {
	for _, scheme := range []string{firstElement(header.Get("X-Forwarded-Proto")), parameter(header, "proto")} {
		switch strings.ToLower(scheme) {
		case "https", "wss":
			return true
		case "http", "ws":
			return false
		}
	}
	for _, name := range schemeFields {
		switch strings.ToLower(firstElement(header.Get(name))) {
		case "https", "wss", "on":
			return true
		}
	}
	return false
}

// firstElement returns the element of a list that the proxy nearest to the client set.
func firstElement(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// parameter returns a parameter of the first element of Forwarded (RFC 7239 section 4).
func parameter(header http.Header, name string) string {
	forwarded, begin, quoted := header.Get("Forwarded")+",", 0, false
	for i, c := range forwarded {
		quoted = quoted != (c == '"')
		if quoted || c != ';' && c != ',' {
			continue
		}
		key, value, _ := strings.Cut(forwarded[begin:i], "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
		if c == ',' {
			break
		}
		begin = i + 1
	}
	return ""
}
