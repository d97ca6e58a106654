package config

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"WS76_TLS_KEY", "/etc/ws76/tls.key", "/etc/ws76/tls.key"},
		{"WS76_TLS_KEY", "tls.key", "tls.key"},
		{"WS76_TLS_KEY", "../secrets/tls-2026.key", "../secrets/tls-2026.key"},
		{"WS76_TLS_KEY_FILE", "/run/secrets/key", "/run/secrets/key"},
		{"WS76_TLS_KEY", "/run/secrets/0123456789abcdef0123456789abcdef", "***(45 bytes)"},
		{"WS76_TLS_KEY", "secrets/key", "***(11 bytes)"},
		{"WS76_TLS_KEY", "", ""},
		{"WS76_TLS_KEY", "-----BEGIN PRIVATE KEY-----\nMC4C", "***(32 bytes)"},
		{"WS76_TLS_KEY", "key of mine", "***(11 bytes)"},
		{"WS76_TLS_KEY", "/" + strings.Repeat("a/", 60), "***(121 bytes)"},
		{"WS76_TLS_CERT", "-----BEGIN PRIVATE KEY-----", "***(27 bytes)"},
		{"WS76_ADMIN_TOKEN", "/etc/token", "***(10 bytes)"},
		{"WS76_ADMIN_TOKEN_FILE", "/etc/token", "/etc/token"},
		{"WS76_ADMIN_TOKEN_FILE", "correct horse battery", "***(21 bytes)"},
		{"WS76_BACKEND", "http://app:8080/chat", "http://app:8080/chat"},
		{"WS76_BACKEND", "http://me:pass@app", "http://***@app"},
		{"WS76_BACKEND", "http://me:pa/ss@app", "http://***@app"},
		{"WS76_BACKEND", "me:pass@app", "***@app"},
		{"WS76_BACKEND", "http://app/?token=pass", "http://app/?***"},
		{"WS76_ORIGINS", "https://a,https://me:pass@b", "https://***@b"},
		{"WS76_LISTEN", ":8076", ":8076"},
		{"WS76_LISTEN", "-----BEGIN PRIVATE KEY-----", "***(27 bytes)"},
		{"WS76_LISTEN", "unix:/run/" + strings.Repeat("a", 60), "unix:/run/" + strings.Repeat("a", 60)},
		{"WS76_BACKEND", "https://app.internal:8443/" + strings.Repeat("path/", 20), "https://app.internal:8443/" + strings.Repeat("path/", 20)},
		{"WS76_ORIGINS", "*.example.org,https://a.example:8443,https://b.example", "*.example.org,https://a.example:8443,https://b.example"},
		{"WS76_TRUSTED_PROXIES", "10.0.0.0/8,192.168.0.0/16,2001:db8:1234:5678:9abc:def0::/96", "10.0.0.0/8,192.168.0.0/16,2001:db8:1234:5678:9abc:def0::/96"},
	} {
		if got := Mask(tt.name, tt.value); got != tt.want {
			t.Errorf("Mask(%s, %q) = %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}

// No encoding of a key passes for a path.
func TestMaskHidesKeys(t *testing.T) {
	for range 2000 {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, bytes := range [][]byte{der, key.Seed()} {
			for _, text := range []string{
				base64.StdEncoding.EncodeToString(bytes), base64.RawStdEncoding.EncodeToString(bytes), base64.URLEncoding.EncodeToString(bytes), hex.EncodeToString(bytes),
			} {
				for _, name := range []string{"WS76_TLS_KEY", "WS76_LISTEN"} {
					if got := Mask(name, text); !strings.HasPrefix(got, "***(") {
						t.Fatalf("%s: %q is shown", name, got)
					}
				}
			}
		}
	}
}

// A key that was given to any other variable by mistake is not shown either: not in the
// error, nor in the list of settings. What broke: only variables of keys and certificates
// hid it.
func TestKeyInAnotherVariable(t *testing.T) {
	der := []byte(strings.Repeat("secret key of somebody, ", 20))
	text := base64.StdEncoding.EncodeToString(der)
	lines := regexp.MustCompile(`.{1,64}`).FindAllString(text, -1)
	for shape, key := range map[string]string{
		"PEM":      "-----BEGIN PRIVATE KEY-----\n" + strings.Join(lines, "\n") + "\n-----END PRIVATE KEY-----\n",
		"one line": "-----BEGIN PRIVATE KEY-----\\n" + strings.Join(lines, "\\n"),
		"base64":   text,
		"hex":      hex.EncodeToString(der),
	} {
		t.Run(shape, func(t *testing.T) {
			eachVariable(t, func(t *testing.T, _ reflect.StructField, name string) {
				t.Setenv(name, key)
				_, problems := Read()
				shown := fmt.Sprint(problems) + fmt.Sprintf("%q", problems.Error()) + fmt.Sprint(Settings())
				for _, p := range problems {
					shown += p.Value() + p.Unwrap().Error()
				}
				for i := 30; i+12 < len(key); i += 12 {
					if strings.Contains(shown, key[i:i+12]) {
						t.Fatalf("%q is shown: %.300s", key[i:i+12], shown)
					}
				}
			})
		})
	}
}
