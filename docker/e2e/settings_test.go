package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is the repository, seen from here.
var root = filepath.Join("..", "..")

// help is what ws76 says of itself.
var help = sync.OnceValues(func() (string, error) {
	out, err := exec.Command(program, "help", "-markdown").Output()
	return string(out), err
})

// settings is the variables that ws76 has, with their defaults.
func settings(t *testing.T) map[string]string {
	t.Helper()
	text, err := help()
	if err != nil {
		t.Fatalf("ws76 help: %v", err)
	}
	defaults := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(WS76_[A-Z0-9_]+)` \\| (?:`([^`]*)`)? \\|").FindAllStringSubmatch(text, -1) {
		defaults[row[1]] = row[2]
	}
	if len(defaults) < 20 {
		t.Fatalf("ws76 help has a table of %d variables:\n%s", len(defaults), text)
	}
	return defaults
}

// judged is what ws76 has said of environments.
var judged = map[string]error{}

// accepted has ws76 judge an environment, once: with the race detector it takes
// a second to start.
func accepted(environment map[string]string) error {
	key := fmt.Sprint(environment)
	if err, ok := judged[key]; ok {
		return err
	}
	cmd := exec.Command(program, "check")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WS76_") })
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("ws76 check: %v: %s", err, out)
	}
	judged[key] = err
	return err
}

// newPEM makes a certificate and its key.
func newPEM(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"ws76"}, NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return text("CERTIFICATE", signed), text("PRIVATE KEY", encoded)
}

// effective is a duration as it is set, else by default.
func effective(t *testing.T, name string, environment map[string]string) time.Duration {
	t.Helper()
	value := environment[name]
	if value == "" {
		value = settings(t)[name]
	}
	if value == "off" {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, value, err)
	}
	return d
}

// readFile reads a file of the repository.
func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
