package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// tlsGateway is a gateway with a port for TLS.
func tlsGateway(t *testing.T, pem pemPair, variables ...string) (g gateway, address string) {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return startGateway(t, append(variables, "WS76_TLS_LISTEN="+address, "WS76_TLS_CERT="+pem.cert, "WS76_TLS_KEY="+pem.key)...), address
}

// Perl verifies the certificate, and compares the Location with its wss URL.
func TestTLSPerl(t *testing.T) {
	t.Parallel()
	requirePerl(t)
	if out, err := exec.Command("perl", "-MIO::Socket::SSL", "-e1").CombinedOutput(); err != nil {
		missing(t, "Perl has no IO::Socket::SSL (Debian: libio-socket-ssl-perl): %s", out)
	}
	b, pem := gorillaBackend(t), newPEM(t, "localhost")
	for _, tt := range []struct{ minimum, version, want string }{
		{"1.0", "TLSv1", "ok - TLS handshake: TLSv1 AES128-SHA\n"},
		{"1.0", "TLSv1_2", "ok - TLS handshake: TLSv1_2 "},
		{"1.2", "TLSv1_2", "ok - TLS handshake: TLSv1_2 "},
		{"1.2", "TLSv1", "not ok - TLS handshake: "},
	} {
		for _, dialect := range []string{"75", "76"} {
			g, address := tlsGateway(t, pem, "WS76_BACKEND=http://"+b.address, "WS76_TLS_MIN_VERSION="+tt.minimum)
			_, port, _ := strings.Cut(address, ":")
			cmd := exec.Command("perl", filepath.Join("testdata", "clients", "client.pl"),
				dialect, "localhost", port, "/tls?x=1", "all", "https://page.example", tt.version, pem.cert)
			out, err := cmd.CombinedOutput()
			refused := strings.HasPrefix(tt.want, "not ok")
			if !strings.Contains(string(out), tt.want) || (err != nil) != refused {
				t.Errorf("-%s over %s with WS76_TLS_MIN_VERSION=%s: %v\n%s\n%s", dialect, tt.version, tt.minimum, err, out, g.log())
			}
			if warned := strings.Contains(g.log(), "old tls is enabled"); warned != (tt.minimum == "1.0") {
				t.Errorf("WS76_TLS_MIN_VERSION=%s: warned: %t", tt.minimum, warned)
			}
			if refused {
				line := g.logged("tls handshake failed")
				g.says(line, map[string]any{"change": "WS76_TLS_MIN_VERSION=1.0, if clients of 2010 are to be let in"})
				continue
			}
			g.says(g.logged("connection closed"), map[string]any{"dialect": dialect, "messages_up": 510, "messages_down": 1010})
			b.next(t)
		}
	}
}

func TestTLSOpenSSL(t *testing.T) {
	t.Parallel()
	require(t, "openssl")
	pem := newPEM(t, "localhost")
	for _, tt := range []struct {
		minimum string
		args    []string
		want    string
	}{
		{"1.0", []string{"-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"}, "Protocol  : TLSv1\n"},
		{"1.0", []string{"-tls1", "-cipher", "AES256-SHA:@SECLEVEL=0"}, "Cipher    : AES256-SHA\n"},
		{"1.0", []string{"-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"}, "Protocol  : TLSv1.1\n"},
		{"1.0", []string{"-tls1_3"}, "TLSv1.3"},
		{"1.1", []string{"-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"}, "alert protocol version"},
		{"1.2", []string{"-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"}, "alert protocol version"},
		{"1.2", []string{"-tls1_2", "-cipher", "AES128-SHA"}, "handshake failure"},
		{"1.2", []string{"-tls1_2", "-alpn", "h2,http/1.1"}, "ALPN protocol: http/1.1\n"},
		{"1.3", []string{"-tls1_2"}, "alert protocol version"},
	} {
		_, address := tlsGateway(t, pem, "WS76_TLS_MIN_VERSION="+tt.minimum)
		out, _ := exec.Command("openssl", append([]string{"s_client", "-connect", address}, tt.args...)...).CombinedOutput() // it fails where it is refused
		if !strings.Contains(string(out), tt.want) {
			t.Errorf("WS76_TLS_MIN_VERSION=%s: s_client %s does not say %q:\n%s", tt.minimum, strings.Join(tt.args, " "), tt.want, out)
		}
	}
}

// A renewed certificate is for those who come, and those who are there stay.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	b, pem := gorillaBackend(t), newPEM(t, "localhost")
	g, address := tlsGateway(t, pem, "WS76_BACKEND=http://"+b.address)
	dial := func() *tls.Conn {
		t.Helper()
		conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	shown := func() string { t.Helper(); return dial().ConnectionState().PeerCertificates[0].SerialNumber.String() }

	u, err := url.Parse("wss://" + address + "/reload")
	if err != nil {
		t.Fatal(err)
	}
	before := pem.leaf.SerialNumber.String()
	stop, carried := make(chan struct{}), make(chan error, 8)
	for range cap(carried) {
		conn, err := legacy.NewRequest(legacy.Hixie76, u).Open(dial())
		if err != nil {
			t.Fatal(err)
		}
		go func() { carried <- converseUntil(conn, stop) }()
	}
	if got := shown(); got != before {
		t.Errorf("certificate %s is shown, want %s", got, before)
	}
	pem.renew(t, "localhost")
	g.says(g.logged("certificate reloaded"), map[string]any{"variable": "WS76_TLS_CERT"})
	renewed := pem.leaf.SerialNumber.String()
	if got := shown(); got != renewed {
		t.Errorf("certificate %s is shown, want the renewed %s", got, renewed)
	}
	if err := os.WriteFile(pem.key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	line := g.logged("certificate not reloaded, the previous one stays in use")
	if text := fmt.Sprint(line["error"]); line["@level"] != "error" || !strings.Contains(text, "WS76_TLS_CERT=") || !strings.Contains(text, "WS76_TLS_KEY") {
		t.Errorf("the log says %v", line)
	}
	if got := shown(); got != renewed {
		t.Errorf("certificate %s is shown after a broken file, want %s", got, renewed)
	}
	close(stop)
	for range cap(carried) {
		if err := <-carried; err != nil {
			t.Errorf("a connection did not outlive the reload: %v", err)
		}
	}
}

// The header of the PROXY protocol comes before TLS.
func TestTLSBehindProxyProtocol(t *testing.T) {
	t.Parallel()
	b, pem := gorillaBackend(t), newPEM(t, "localhost")
	g, address := tlsGateway(t, pem, "WS76_BACKEND=http://"+b.address, "WS76_PROXY_PROTOCOL=required")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n")
	u, err := url.Parse("wss://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := legacy.NewRequest(legacy.Hixie76, u).Open(tls.Client(conn, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})); err != nil {
		t.Fatal(err)
	}
	g.says(g.logged("connection opened"), map[string]any{"client": "203.0.113.7:50000"})
}

// converseUntil has messages echoed until stop is closed.
func converseUntil(conn *legacy.Conn, stop <-chan struct{}) error {
	if got, err := conn.ReadText(); got != "welcome" {
		return fmt.Errorf("got %q, %w", got, err)
	}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return conn.Close()
		default:
		}
		text := fmt.Sprintf("message %d", i)
		if err := conn.WriteText(text); err != nil {
			return err
		}
		if got, err := conn.ReadText(); got != text {
			return fmt.Errorf("got %q, %w; want %q", got, err, text)
		}
	}
}
