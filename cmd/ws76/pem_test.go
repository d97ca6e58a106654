package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A pemPair is a certificate that signs itself and its key, in files.
type pemPair struct {
	cert, key string // paths
	leaf      *x509.Certificate
}

// newPEM makes one with an RSA key, as old clients need it.
func newPEM(t testing.TB, name string) pemPair {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p, err := writePEM(t.TempDir(), name, key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// renew writes another certificate into the same files.
func (p *pemPair) renew(t testing.TB, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if *p, err = writePEM(filepath.Dir(p.cert), name, key); err != nil {
		t.Fatal(err)
	}
}

// writePEM makes tls.pem and tls.key in a directory, by renaming, as tools that
// renew certificates do.
func writePEM(dir, name string, key crypto.Signer) (p pemPair, err error) {
	p.cert, p.key = filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return p, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return p, err
	}
	if p.leaf, err = x509.ParseCertificate(der); err != nil {
		return p, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return p, err
	}
	for path, block := range map[string]*pem.Block{p.cert: {Type: "CERTIFICATE", Bytes: der}, p.key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			return p, err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return p, err
		}
	}
	return p, nil
}
