// Package certs reads the certificates and keys that the settings name, and reloads them
// when they change.
package certs

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

const allowedPEM = "; allowed: the path of a PEM file that can be read, or its text, for example /etc/ws76/tls.pem"

// Credentials are what the TLS files hold.
type Credentials struct {
	Server  *Certificate // of WS76_TLS_LISTEN; nil if it is off
	Client  *Certificate // sent to the backend; nil if there is none
	Backend *tls.Config  // nil without TLS to the backend
}

// Certificates are those that are configured.
func (cr Credentials) Certificates() (pairs []*Certificate) {
	for _, pair := range []*Certificate{cr.Server, cr.Client} {
		if pair != nil {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// Load reads the files that the variables name.
func Load(c *config.Config) (cr Credentials, problems config.Errors) {
	var more [4]config.Errors
	cr.Server, more[0] = newPair("WS76_TLS_CERT", "WS76_TLS_KEY", c.TLSCert, c.TLSKey)
	cr.Client, more[1] = newPair("WS76_BACKEND_CERT", "WS76_BACKEND_KEY", c.BackendCert, c.BackendKey)
	more[2] = unusedCredentials(c)
	if c.Backend.Secure {
		cr.Backend, more[3] = backendTLS(c, cr.Client)
	}
	return cr, slices.Concat(more[:]...)
}

// newPair reads a pair if there is one.
func newPair(certName, keyName string, cert, key config.PEM) (*Certificate, config.Errors) {
	switch {
	case cert == "" && key == "":
		return nil, nil
	case cert == "":
		return nil, config.Errors{config.Invalid(certName, "", "%s is set without it"+allowedPEM, keyName).About(keyName)}
	case key == "":
		return nil, config.Errors{config.Invalid(keyName, "", "%s is set without it"+allowedPEM, certName).About(certName)}
	}
	return newCertificate(certName, keyName, cert, key)
}

// unusedCredentials are the problems of credentials that nothing uses, and of ports
// that have none.
func unusedCredentials(c *config.Config) (problems config.Errors) {
	if c.TLSListen == "" && c.TLSCert+c.TLSKey != "" {
		problems = append(problems, config.Invalid("WS76_TLS_LISTEN", "", "WS76_TLS_CERT is set and no port uses it; allowed: host:port, for example :8443"))
	}
	if c.TLSListen != "" && c.TLSCert+c.TLSKey == "" {
		problems = append(problems, config.Invalid("WS76_TLS_CERT", "", "WS76_TLS_LISTEN needs a certificate, and its key in WS76_TLS_KEY"+allowedPEM).About("WS76_TLS_LISTEN", "WS76_TLS_KEY"))
	}
	if c.Backend.Secure {
		return problems
	}
	for _, v := range []struct{ name, value string }{
		{"WS76_BACKEND_CA", string(c.BackendCA)}, {"WS76_BACKEND_CERT", string(c.BackendCert)}, {"WS76_BACKEND_SERVER_NAME", string(c.BackendServerName)},
	} {
		if v.value != "" {
			problems = append(problems, config.Invalid(v.name, v.value, "WS76_BACKEND is not https, so nothing would be verified; allowed: with an https backend, for example WS76_BACKEND=https://app.internal:8443").About("WS76_BACKEND"))
		}
	}
	return problems
}

// backendTLS returns the TLS configuration for connections to the backend.
func backendTLS(c *config.Config, client *Certificate) (*tls.Config, config.Errors) {
	host, _, _ := net.SplitHostPort(c.Backend.Address)
	conf := &tls.Config{ServerName: cmp.Or(string(c.BackendServerName), host), MinVersion: tls.VersionTLS12}
	if client != nil {
		conf.GetClientCertificate = client.forClient
	}
	if c.BackendCA == "" {
		return conf, nil
	}
	text, err := read(c.BackendCA)
	conf.RootCAs = x509.NewCertPool()
	if err == nil && !conf.RootCAs.AppendCertsFromPEM(text) {
		err = errors.New("no certificate in it")
	}
	if err != nil {
		return conf, config.Errors{unreadable("WS76_BACKEND_CA", c.BackendCA, err)}
	}
	return conf, nil
}

// versions are those of WS76_TLS_MIN_VERSION.
var versions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// OldTLS reports whether a minimum version allows some with known weaknesses.
func OldTLS(minVersion string) bool { return versions[minVersion] < tls.VersionTLS12 }

// oldSuites are those that Go disables by default: RSA key exchange with AES in CBC
// mode, the only ones that Java 6 and iOS 4 share with Go. RC4 and 3DES stay off: every
// client that speaks -75 or -76 has AES.
var oldSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA}

// ServerTLS returns the TLS configuration for clients. It offers HTTP/1.1 only, because
// WebSocket needs it.
func (c *Certificate) ServerTLS(minVersion string) *tls.Config {
	conf := &tls.Config{GetCertificate: c.forServer, MinVersion: versions[minVersion], NextProtos: []string{"http/1.1"}}
	if OldTLS(minVersion) {
		for _, suite := range tls.CipherSuites() {
			if slices.Contains(suite.SupportedVersions, uint16(tls.VersionTLS12)) {
				conf.CipherSuites = append(conf.CipherSuites, suite.ID)
			}
		}
		conf.CipherSuites = append(conf.CipherSuites, oldSuites...)
	}
	return conf
}
