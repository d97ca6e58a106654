// Package check reports what is behind the settings: certificates and the backend.
package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// Certificate prints what a certificate is for. It warns of a certificate that has expired, with which the gateway
// starts all the same.
func Certificate(variable string, leaf *x509.Certificate, stdout io.Writer) {
	until := leaf.NotAfter.Format(time.RFC3339)
	if time.Now().After(leaf.NotAfter) {
		fmt.Fprintf(stdout, "warning: %s has expired at %s: the other side will refuse it; renew it\n", variable, until)
		return
	}
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{"no name (it has no subjectAltName, which clients of today want)"}
	}
	fmt.Fprintf(stdout, "ok: %s is for %s until %s\n", variable, strings.Join(names, ", "), until)
}

// A Backend is the app.
type Backend struct {
	Dialer modern.Dialer
	Prefix string // of every path
	Binary translate.BinaryPolicy

	Timeout time.Duration // to connect, for an opening handshake, and for a message to come back

	Dialect legacy.Dialect // that WS76_BACKEND_DIALECT says
	Lax     bool
	Host    string // the Host that it gets; empty for that of its address
	Origin  string // the Origin that a backend of -76 or -75 gets; empty for that of its address
}

// Check connects to the backend and opens a WebSocket at path, and prints what it finds.
// A refusal is an error if path is not empty. If message is not empty it sends that, and
// prints what comes back.
func (b Backend) Check(ctx context.Context, path, message string, stdout io.Writer) error {
	dialer := b.Dialer
	connecting, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	conn, err := dialer.Connect(connecting)
	if err != nil {
		return fmt.Errorf("WS76_BACKEND: %w; clients would get 502 or 504: %s", err, Hint(dialer.Address, err))
	}
	if secure, ok := conn.(*tls.Conn); ok {
		fmt.Fprintf(stdout, "ok: %s speaks %s and its certificate is right\n", dialer.Address, tls.VersionName(secure.ConnectionState().Version))
	}
	conn.Close()
	fmt.Fprintf(stdout, "ok: %s accepts connections\n", dialer.Address)
	target := b.Prefix + cmp.Or(path, "/")
	backend, slips, err := b.open(ctx, b.Dialect, target)
	if err != nil {
		if other := b.otherDialect(ctx, target); other != nil {
			return other
		}
	}
	var refused *modern.RefusedError
	switch {
	case err == nil && len(slips) > 0 && !b.Lax:
		backend.Conn.Close()
		return fmt.Errorf("the backend opens %s with -%s as no browser accepts it: set WS76_BACKEND_LAX=on, for its slips (%s)", target, b.Dialect, strings.Join(slips, ", "))
	case err == nil && b.Dialect.Legacy():
		defer backend.Conn.Close()
		fmt.Fprintf(stdout, "ok: %s opens a WebSocket of -%s\n", target, b.Dialect)
		if message == "" {
			return nil
		}
		return exchangeLegacy(backend, b.Dialect, message, time.Now().Add(b.Timeout), stdout)
	case err == nil:
		defer backend.Conn.Close()
		defer func() { backend.Conn.Write(modern.AppendClose(nil, modern.GoingAway, modern.NewKey())) }()
		fmt.Fprintf(stdout, "ok: %s opens a WebSocket\n", target)
		if message == "" {
			return nil
		}
		return b.exchange(backend, message, time.Now().Add(b.Timeout), stdout)
	case errors.As(err, &refused):
		defer refused.Response.Body.Close()
		if path != "" {
			return fmt.Errorf("the backend answers %s to an opening handshake for %s", refused.Response.Status, target)
		}
		fmt.Fprintf(stdout, "ok: it answers %s to an opening handshake for %s; -path names another path%s\n", refused.Response.Status, target, refusedHint(refused.Response))
		return nil
	}
	return fmt.Errorf("%s accepts connections but no opening handshake: %w: %s", dialer.Address, err, Hint(dialer.Address, err))
}

// Hint returns what to change when connecting to address failed.
func Hint(address string, err error) string {
	var expired x509.CertificateInvalidError
	host, _, _ := net.SplitHostPort(address)
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "WS76_BACKEND_CA names the authority of its certificate, which is unknown"
	case errors.As(err, new(x509.HostnameError)):
		return "WS76_BACKEND_SERVER_NAME says which name its certificate has"
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet: renew it, or set the clock"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "this address does not speak TLS; has WS76_BACKEND to begin with http://?"
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`):
		return "this address speaks TLS; WS76_BACKEND has to begin with https://"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the app ends the connection without an answer; if this address speaks TLS, WS76_BACKEND has to begin with https://"
	case errors.As(err, new(*net.DNSError)):
		return "no such host: is the name in WS76_BACKEND right, and known in this network?"
	case errors.Is(err, syscall.ECONNREFUSED) && IsLoopback(host):
		return "is the app running? " + Itself(host) + ", such as http://app:8080"
	}
	return "is the app running, and is WS76_BACKEND its address?"
}

// Itself says what a loopback address is.
func Itself(host string) string {
	return host + " is this machine or container itself: an app in another container has another name"
}

// IsLoopback reports whether host is localhost or a loopback address.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// SpeaksTLS is what may be behind a status of 400.
const SpeaksTLS = "so answers a port of TLS too; has WS76_BACKEND to begin with https://?"

// refusedHint returns what may be behind the refusal of a handshake without Origin.
func refusedHint(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusForbidden:
		return " (this handshake has no Origin, which some backends refuse)"
	case http.StatusBadRequest:
		return " (" + SpeaksTLS + ")"
	}
	return ""
}
