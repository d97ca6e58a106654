// Package reach opens connections for the verbs that are clients, probe and connect. Where
// none comes about it says why, and what to change.
package reach

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/ws76/ws76/cmd/ws76/internal/check"
)

// ParseURL reads a ws or wss URL; http and https mean the same.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	default:
		return nil, errors.New("allowed are ws, wss, http and https, for example ws://chat.example.com/socket")
	}
	_, badPort := strconv.ParseUint(cmp.Or(u.Port(), "1"), 10, 16)
	switch {
	case u.Hostname() == "" || badPort != nil:
		return nil, errors.New("it has no host, or an invalid port")
	case u.User != nil:
		return nil, errors.New("it has a user, which no handshake of these clients sends")
	case u.Fragment != "":
		return nil, errors.New("it has a fragment, which a WebSocket has not")
	}
	return u, nil
}

// A Place is where connections lead to.
type Place struct {
	URL *url.URL    // of ParseURL
	TLS *tls.Config // for wss; its ServerName is not looked at

	// DialTCP opens a TCP connection; nil: the network.
	DialTCP func(ctx context.Context, network, address string) (net.Conn, error)
}

// An Error is a connection that did not come about.
type Error struct {
	Detail, Advice string
	SilentTLS      bool // TCP stands, but the TLS handshake got no answer in time
	cause          error
}

func (e *Error) Error() string {
	if e.Advice == "" {
		return e.Detail
	}
	return e.Detail + ": " + e.Advice
}

func (e *Error) Unwrap() error { return e.cause }

// Connect opens TCP, and TLS if the URL is wss. The error is an *Error.
func (p *Place) Connect(ctx context.Context) (net.Conn, error) {
	dial := p.DialTCP
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	port := "80"
	if p.Secure() {
		port = "443"
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(p.URL.Hostname(), cmp.Or(p.URL.Port(), port)))
	if err != nil {
		return nil, unreachable(err, p.URL.Hostname())
	}
	if !p.Secure() {
		return conn, nil
	}
	config := p.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.ServerName = p.URL.Hostname()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, withoutTLS(err)
	}
	return secure, nil
}

// Secure reports whether connections have TLS.
func (p *Place) Secure() bool { return p.URL.Scheme == "wss" }

// unreachable is a connection that did not come about.
func unreachable(err error, host string) *Error {
	e := &Error{Detail: Ending(err), Advice: "see that the host name is right and something listens on that port, and that no firewall is between", cause: err}
	var dns *net.DNSError
	var errno syscall.Errno
	switch {
	case IsTimeout(err):
		e.Detail, e.Advice = "no connection in time", "see that the host is up and no firewall is between"
	case errors.As(err, &dns):
		e.Detail, e.Advice = fmt.Sprintf("%s: %s", dns.Name, dns.Err), "see that the host name is right, and known in this network"
	case errors.As(err, &errno):
		e.Detail = errno.Error()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		e.Advice = "see that something listens on that port"
		if check.IsLoopback(host) {
			e.Advice += "; " + check.Itself(host)
		}
	}
	return e
}

// withoutTLS is a connection on which no TLS could be agreed.
func withoutTLS(err error) *Error {
	e := &Error{Detail: fmt.Sprintf("TLS: %v", err), Advice: "see that the port speaks TLS; if not, ask for ws://", cause: err}
	var invalid x509.CertificateInvalidError
	var other x509.HostnameError
	switch {
	case IsTimeout(err):
		e.SilentTLS, e.Detail, e.Advice = true, "TLS: no answer", ""
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Detail, e.Advice = "the certificate has expired or is not valid yet", "renew it, or set the clock; -insecure looks past it"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		e.Detail, e.Advice = "the certificate's authority is unknown", "install a certificate that clients trust, whole chain included; -insecure looks past it"
	case errors.As(err, &other):
		e.Detail, e.Advice = other.Error(), "install a certificate with this name; -insecure looks past it"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		e.Advice = "-insecure looks past the certificate; for clients, install one that they trust, whole chain included"
	case errors.As(err, new(tls.RecordHeaderError)):
		e.Advice = "the port does not speak TLS: ask for ws://"
	case strings.Contains(err.Error(), "protocol version"), strings.Contains(err.Error(), "handshake failure"):
		e.Advice = "-min-tls 1.0 offers the versions and ciphers of 2010 too"
	}
	return e
}

// IsTimeout reports whether time was up.
func IsTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// Ending is an error of reading, in words.
func Ending(err error) string {
	var op *net.OpError
	switch {
	case IsTimeout(err):
		return "silence"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the end of the connection"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
