package check

import (
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"
)

// A certificate is checked for what would have it refused. One that has expired
// is no error: the gateway starts with it.
func TestCheckCertificate(t *testing.T) {
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name string
		leaf x509.Certificate
		want string
	}{
		{"names", x509.Certificate{NotAfter: later, DNSNames: []string{"a.example", "b.example"}}, "ok: WS76_TLS_CERT is for a.example, b.example until "},
		{"address", x509.Certificate{NotAfter: later, IPAddresses: []net.IP{net.IPv6loopback}}, "ok: WS76_TLS_CERT is for ::1 until "},
		{"no name", x509.Certificate{NotAfter: later}, "ok: WS76_TLS_CERT is for no name (it has no subjectAltName, which clients of today want) until "},
		{"expired", x509.Certificate{NotAfter: before, DNSNames: []string{"a.example"}}, "warning: WS76_TLS_CERT has expired at "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			Certificate("WS76_TLS_CERT", &tt.leaf, &out)
			if !strings.HasPrefix(out.String(), tt.want) {
				t.Errorf("it says %q, want %q", out.String(), tt.want)
			}
		})
	}
}
