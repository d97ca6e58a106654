package check

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A backend on a Unix socket is asked with a Host that net/http takes. The path of the socket
// was sent, and every app in Go answered 400.
func TestCheckUnixBackend(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, r.Host)
	})}
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	for host, want := range map[string]string{"": "localhost", "device:81": "device:81"} {
		b := Backend{Dialer: modern.Dialer{Address: "unix:" + ln.Addr().String()}, Timeout: time.Minute, Dialect: legacy.RFC6455, Host: host}
		_, _, err := b.open(t.Context(), b.Dialect, "/")
		refused, ok := err.(*modern.RefusedError)
		if !ok {
			t.Fatalf("%q: %v", host, err)
		}
		if got, _ := io.ReadAll(refused.Response.Body); refused.Response.StatusCode != http.StatusTeapot || string(got) != want {
			t.Errorf("%q: the backend answers %s to Host %q, want %q", host, refused.Response.Status, got, want)
		}
		refused.Response.Body.Close()
	}
}

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
