package translate

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/ws76/ws76/legacy"
)

// checkHost refuses a request whose Host must not go on to the backend, to a
// client as its Location, or into X-Forwarded-Host. net/http looks for foreign
// bytes in the field, and not at all at the host of an absolute target, which
// overrules the field.
func checkHost(r *http.Request) error {
	switch {
	case r.Host == "" || validHost(r.Host):
		return nil
	case r.URL.Host != "":
		return &legacy.HandshakeError{Reason: legacy.BadTarget, Detail: r.RequestURI}
	}
	return &legacy.HandshakeError{Reason: legacy.Reason(BadRequest), Detail: "Host: " + r.Host}
}

// validHost reports whether s is a host with or without a port (RFC 9110 section
// 7.2): a name, an IPv4 address, or an IPv6 address in brackets. Of what names
// may have by RFC 3986 section 3.2.2 it leaves out the comma, which X-Forwarded-Host
// ends a host with, and percent-encoding, which readers decode or do not.
func validHost(s string) bool {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if strings.Trim(port, "0123456789") != "" {
		return false
	}
	if inside, bracketed := strings.CutPrefix(host, "["); bracketed {
		inside, closed := strings.CutSuffix(inside, "]")
		addr, err := netip.ParseAddr(inside)
		return closed && err == nil && addr.Is6() && addr.Zone() == ""
	}
	return host != "" && strings.IndexFunc(host, notOfName) < 0
}

func notOfName(c rune) bool {
	switch {
	case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		return false
	}
	return !strings.ContainsRune("-._~!$&'()*+;=", c)
}
