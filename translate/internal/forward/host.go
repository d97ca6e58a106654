package forward

import (
	"net/netip"
	"strings"
)

// ValidHost reports whether s is a host with or without a port (RFC 9110 section
// 7.2): a name, an IPv4 address, or an IPv6 address in brackets. Of what names
// may have by RFC 3986 section 3.2.2 it excludes the comma, which ends a host in
// X-Forwarded-Host, and percent-encoding, which some readers decode.
func ValidHost(s string) bool {
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
	return host != "" && strings.IndexFunc(host, isNotOfName) < 0
}

func isNotOfName(c rune) bool {
	switch {
	case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		return false
	}
	return !strings.ContainsRune("-._~!$&'()*+;=", c)
}
