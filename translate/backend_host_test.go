package translate

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/ws76/ws76/modern"
)

// A Host that a client would send has no default port.
func TestBackendHost(t *testing.T) {
	for _, tt := range []struct {
		address string
		tls     *tls.Config
		want    string
	}{
		{"app:80", nil, "app"},
		{"app:8080", nil, "app:8080"},
		{"app:443", nil, "app:443"},
		{"[::1]:80", nil, "[::1]"},
		{"app:443", &tls.Config{}, "app"},
		{"app:80", &tls.Config{}, "app:80"},
	} {
		g := New(Options{Backend: modern.Dialer{Address: tt.address, TLS: tt.tls}})
		if got := g.rules.Host(&http.Request{Host: "client.example"}); got != tt.want {
			t.Errorf("%s, TLS %t: %q, want %q", tt.address, tt.tls != nil, got, tt.want)
		}
	}
}
