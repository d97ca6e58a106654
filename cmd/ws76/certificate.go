package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// reloadPeriod is how often the files of a certificate are looked at.
const reloadPeriod = time.Second

// A certificate is a chain and its key, read anew when a file changes. A pair
// that cannot be used leaves the one before it in use.
type certificate struct {
	names     [2]string // of the variables
	cert, key PEM
	seen      [2]os.FileInfo // owned by watch

	current          atomic.Pointer[tls.Certificate]
	reloaded, failed atomic.Int64
	refused          atomic.Int64 // TLS handshakes of clients that failed
}

// newCertificate reads a pair; the errors are lines about the variables.
func newCertificate(certName, keyName string, cert, key PEM) (*certificate, []error) {
	c := &certificate{names: [2]string{certName, keyName}, cert: cert, key: key}
	c.seen = [2]os.FileInfo{cert.stat(), key.stat()}
	pair, problems := c.read()
	if problems != nil {
		return nil, problems
	}
	c.current.Store(pair)
	return c, nil
}

func (c *certificate) read() (*tls.Certificate, []error) {
	var text [2][]byte
	var problems []error
	for i, p := range []PEM{c.cert, c.key} {
		var err error
		if text[i], err = p.read(); err != nil {
			problems = append(problems, wrong(c.names[i], string(p), fmt.Errorf("%w"+allowedPEM, err)))
		}
	}
	if problems != nil {
		return nil, problems
	}
	pair, err := tls.X509KeyPair(text[0], text[1])
	if err != nil {
		return nil, []error{wrong(c.names[0], string(c.cert), fmt.Errorf("not usable with %s: %w; allowed: a PEM file with the certificate first, and the key that belongs to it in %s, for example fullchain.pem and privkey.pem", c.names[1], err, c.names[1]))}
	}
	return &pair, nil
}

// watch reads the pair anew whenever a file has changed, until ctx ends.
func (c *certificate) watch(ctx context.Context, logger hclog.Logger) {
	tick := time.NewTicker(reloadPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := [2]os.FileInfo{c.cert.stat(), c.key.stat()}
		if same(now[0], c.seen[0]) && same(now[1], c.seen[1]) {
			continue
		}
		c.seen = now
		c.reload(logger)
	}
}

func (c *certificate) reload(logger hclog.Logger) {
	pair, problems := c.read()
	if problems != nil {
		c.failed.Add(1)
		logger.Error("certificate not reloaded, the one before stays in use", "variable", c.names[0], "not_after", c.notAfter().Format(time.RFC3339), "error", errors.Join(problems...))
		return
	}
	c.current.Store(pair)
	c.reloaded.Add(1)
	logger.Info("certificate reloaded", "variable", c.names[0], "not_after", c.notAfter().Format(time.RFC3339))
	c.warn(logger)
}

// warn says if the certificate in use has expired.
func (c *certificate) warn(logger hclog.Logger) {
	if time.Now().After(c.notAfter()) {
		logger.Warn("certificate has expired", "variable", c.names[0], "not_after", c.notAfter().Format(time.RFC3339))
	}
}

// same reports whether a file has not been replaced or written to.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func (c *certificate) notAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// forServer is a tls.Config's GetCertificate.
func (c *certificate) forServer(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// forClient is a tls.Config's GetClientCertificate.
func (c *certificate) forClient(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}
