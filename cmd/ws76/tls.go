package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A TLSVersion is one of crypto/tls.
type TLSVersion uint16

// UnmarshalText reads a version as it is spoken of.
func (v *TLSVersion) UnmarshalText(text []byte) error {
	var name string
	if err := oneOf(&name, string(text), "1.0", "1.1", "1.2", "1.3"); err != nil {
		return err
	}
	*v = tls.VersionTLS10 + TLSVersion(name[2]-'0')
	return nil
}

// A ServerName is in a certificate.
type ServerName string

// UnmarshalText reads a name or an address.
func (n *ServerName) UnmarshalText(text []byte) error {
	if len(text) == 0 || len(text) > 253 || strings.ContainsFunc(string(text), func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("/@<>\"*", r)
	}) {
		return errors.New("not a name; allowed: a host name or an address, without a port, for example app.internal")
	}
	*n = ServerName(text)
	return nil
}

// credentials are what the TLS files hold.
type credentials struct {
	served  *certificate // nil without a TLS port
	client  *certificate // shown to the backend; nil if none is
	backend *tls.Config  // nil without TLS to the backend
}

// certificates are those that there are.
func (cr credentials) certificates() (pairs []*certificate) {
	for _, pair := range []*certificate{cr.served, cr.client} {
		if pair != nil {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// credentials reads the files that the variables name. The errors are lines
// about the variables.
func (c *Config) credentials() (cr credentials, problems []error) {
	note := func(more ...error) { problems = append(problems, more...) }
	pair := func(certName, keyName string, cert, key PEM) (pair *certificate) {
		switch {
		case cert == "" && key != "":
			note(wrong(certName, "", fmt.Errorf("%s is set without it"+allowedPEM, keyName)))
		case cert != "" && key == "":
			note(wrong(keyName, "", fmt.Errorf("%s is set without it"+allowedPEM, certName)))
		case cert != "":
			var more []error
			pair, more = newCertificate(certName, keyName, cert, key)
			note(more...)
		}
		return pair
	}
	cr.served = pair("WS76_TLS_CERT", "WS76_TLS_KEY", c.TLSCert, c.TLSKey)
	cr.client = pair("WS76_BACKEND_CERT", "WS76_BACKEND_KEY", c.BackendCert, c.BackendKey)
	if c.TLSListen == "" && c.TLSCert+c.TLSKey != "" {
		note(wrong("WS76_TLS_LISTEN", "", errors.New("there is a certificate and no port that uses it; allowed: host:port, for example :8443")))
	}
	if c.TLSListen != "" && c.TLSCert+c.TLSKey == "" {
		note(wrong("WS76_TLS_CERT", "", errors.New("WS76_TLS_LISTEN needs a certificate, and its key in WS76_TLS_KEY"+allowedPEM)))
	}
	if !c.Backend.Secure {
		for _, v := range []struct{ name, value string }{
			{"WS76_BACKEND_CA", string(c.BackendCA)}, {"WS76_BACKEND_CERT", string(c.BackendCert)}, {"WS76_BACKEND_SERVER_NAME", string(c.BackendServerName)},
		} {
			if v.value != "" {
				note(wrong(v.name, v.value, errors.New("WS76_BACKEND is not https, so nothing would be verified; allowed: with an https backend, for example WS76_BACKEND=https://app.internal:8443")))
			}
		}
		return cr, problems
	}
	host, _, _ := net.SplitHostPort(c.Backend.Address)
	cr.backend = &tls.Config{ServerName: cmp.Or(string(c.BackendServerName), host), MinVersion: tls.VersionTLS12}
	if cr.client != nil {
		cr.backend.GetClientCertificate = cr.client.forClient
	}
	if c.BackendCA != "" {
		text, err := c.BackendCA.read()
		cr.backend.RootCAs = x509.NewCertPool()
		if err == nil && !cr.backend.RootCAs.AppendCertsFromPEM(text) {
			err = errors.New("no certificate in it")
		}
		if err != nil {
			note(wrong("WS76_BACKEND_CA", string(c.BackendCA), fmt.Errorf("%w"+allowedPEM, err)))
		}
	}
	return cr, problems
}

// minSafeTLS is the oldest version without known weaknesses.
const minSafeTLS = tls.VersionTLS12

// ofOldClients are the suites that Go leaves out by itself: RSA key exchange
// with AES in CBC mode, all that Java 6 and iOS 4 have in common with Go. RC4
// and 3DES stay off: nothing that speaks -75 or -76 is without AES.
var ofOldClients = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA}

// serverTLS is for clients. WebSocket needs HTTP/1.1, so nothing else is
// offered.
func (c *Config) serverTLS(served *certificate) *tls.Config {
	config := &tls.Config{GetCertificate: served.forServer, MinVersion: uint16(c.TLSMinVersion), NextProtos: []string{"http/1.1"}}
	if c.TLSMinVersion < minSafeTLS {
		for _, suite := range tls.CipherSuites() {
			if slices.Contains(suite.SupportedVersions, uint16(tls.VersionTLS12)) {
				config.CipherSuites = append(config.CipherSuites, suite.ID)
			}
		}
		config.CipherSuites = append(config.CipherSuites, ofOldClients...)
	}
	return config
}
