package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// reloadPeriod is how often the files of a certificate are looked at.
const reloadPeriod = time.Second

// A Certificate is a chain and its key, reloaded when a file changes. If the new pair
// cannot be used, the previous one stays in use.
type Certificate struct {
	names     [2]string // of the variables
	cert, key config.PEM
	seen      [2]os.FileInfo // owned by watch

	current          atomic.Pointer[tls.Certificate]
	reloaded, failed atomic.Int64
}

// newCertificate reads a pair.
func newCertificate(certName, keyName string, cert, key config.PEM) (*Certificate, config.Errors) {
	c := &Certificate{names: [2]string{certName, keyName}, cert: cert, key: key}
	c.seen = [2]os.FileInfo{stat(cert), stat(key)}
	pair, problems := c.read()
	if problems != nil {
		return nil, problems
	}
	c.current.Store(pair)
	return c, nil
}

func (c *Certificate) read() (*tls.Certificate, config.Errors) {
	var text [2][]byte
	var problems config.Errors
	for i, p := range []config.PEM{c.cert, c.key} {
		var err error
		if text[i], err = read(p); err != nil {
			problems = append(problems, unreadable(c.names[i], p, err))
		}
	}
	if problems != nil {
		return nil, problems
	}
	pair, err := tls.X509KeyPair(text[0], text[1])
	if err != nil {
		return nil, config.Errors{config.Invalid(c.names[0], string(c.cert), "not usable with %s: %w; allowed: a PEM file with the certificate first, and its key in %s, for example fullchain.pem and privkey.pem", c.names[1], err, c.names[1]).About(c.names[1])}
	}
	return &pair, nil
}

func unreadable(name string, value config.PEM, err error) config.Problem {
	return config.Invalid(name, string(value), "%w%s", err, allowedPEM)
}

// Watch reloads the pair whenever a file has changed, until ctx ends.
func (c *Certificate) Watch(ctx context.Context, logger hclog.Logger) {
	tick := time.NewTicker(reloadPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := [2]os.FileInfo{stat(c.cert), stat(c.key)}
		if same(now[0], c.seen[0]) && same(now[1], c.seen[1]) {
			continue
		}
		c.seen = now
		c.reload(logger)
	}
}

func (c *Certificate) reload(logger hclog.Logger) {
	pair, problems := c.read()
	if problems != nil {
		c.failed.Add(1)
		logger.Error("certificate not reloaded, the previous one stays in use", "variable", c.names[0], "not_after", c.NotAfter().Format(time.RFC3339), "error", problems)
		return
	}
	c.current.Store(pair)
	c.reloaded.Add(1)
	logger.Info("certificate reloaded", "variable", c.names[0], "not_after", c.NotAfter().Format(time.RFC3339))
	c.WarnIfExpired(logger)
}

// WarnIfExpired logs that the certificate in use has expired.
func (c *Certificate) WarnIfExpired(logger hclog.Logger) {
	if time.Now().After(c.NotAfter()) {
		logger.Warn("certificate has expired", "variable", c.names[0], "not_after", c.NotAfter().Format(time.RFC3339))
	}
}

// same reports whether a file has not been replaced or written to.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// NotAfter is when the certificate in use expires.
func (c *Certificate) NotAfter() time.Time { return c.Leaf().NotAfter }

// Leaf is the certificate in use.
func (c *Certificate) Leaf() *x509.Certificate { return c.current.Load().Leaf }

// Variable is the name of the variable that holds the certificate.
func (c *Certificate) Variable() string { return c.names[0] }

// Reloads counts the reloads that worked and those that failed.
func (c *Certificate) Reloads() (ok, failed int64) { return c.reloaded.Load(), c.failed.Load() }

// forServer is a tls.Config's GetCertificate.
func (c *Certificate) forServer(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// forClient is a tls.Config's GetClientCertificate.
func (c *Certificate) forClient(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}
