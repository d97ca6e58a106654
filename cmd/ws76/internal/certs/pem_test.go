package certs

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// pair returns a certificate and its key as PEM text.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// shapes are what editors, env files and PKCS 12 tools make of PEM text.
var shapes = map[string]func(string) string{
	"as it is":          func(s string) string { return s },
	"newlines in front": func(s string) string { return "\n\n" + s },
	"a space in front":  func(s string) string { return " " + s },
	"byte order mark":   func(s string) string { return "\ufeff" + s },
	"CR LF":             func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	"indented":          func(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") },
	"attributes in front": func(s string) string {
		return "Bag Attributes\n    friendlyName: a\nKey Attributes: <No Attributes>\n" + s
	},
}

func TestShapesOfPEM(t *testing.T) {
	cert, key := pair(t)
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			var c config.Config
			for _, problem := range []error{c.TLSCert.UnmarshalText([]byte(shape(cert))), c.TLSKey.UnmarshalText([]byte(shape(key)))} {
				if problem != nil {
					t.Fatal(problem)
				}
			}
			if _, problems := newCertificate("WS76_TLS_CERT", "WS76_TLS_KEY", c.TLSCert, c.TLSKey); problems != nil {
				t.Errorf("text: %v", problems)
			}
			dir := t.TempDir()
			files := [2]string{filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")}
			for i, text := range []string{shape(cert), shape(key)} {
				if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, problems := newCertificate("WS76_TLS_CERT", "WS76_TLS_KEY", config.PEM(files[0]), config.PEM(files[1])); problems != nil {
				t.Errorf("files: %v", problems)
			}
		})
	}
}

// Files that begin with a byte order mark are often concatenated to bundles.
func TestByteOrderMarkHidesNoCertificate(t *testing.T) {
	leaf, key := pair(t)
	second, _ := pair(t)
	chain := "\ufeff" + leaf + "\ufeff" + second
	c, problems := newCertificate("WS76_TLS_CERT", "WS76_TLS_KEY", config.PEM(chain), config.PEM(key))
	if problems != nil {
		t.Fatal(problems)
	}
	if n := len(c.current.Load().Certificate); n != 2 {
		t.Errorf("the chain has %d certificates, want 2", n)
	}
	conf, problems := backendTLS(&config.Config{Backend: config.BackendURL{Secure: true, Address: "app:443"}, BackendCA: config.PEM(chain)}, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	for i, text := range []string{leaf, second} {
		block, _ := pem.Decode([]byte(text))
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: conf.RootCAs}); err != nil {
			t.Errorf("authority %d is not in the pool: %v", i, err)
		}
	}
}
