package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// What goes wrong before TCP or TLS stands is told in one clause, with what to change.
func TestErrors(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	for _, tt := range []struct {
		got            *Error
		detail, advice string
	}{
		{unreachable(dial(refused), "::1"), "connection refused", "::1 is this machine or container itself"},
		{unreachable(dial(refused), "localhost"), "connection refused", "localhost is this machine or container itself"},
		{unreachable(dial(refused), "192.0.2.1"), "connection refused", "see that something listens on that port"},
		{unreachable(dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), "192.0.2.1"), syscall.EHOSTUNREACH.Error(), ""},
		{unreachable(dial(&net.DNSError{Err: "no such host", Name: "chat.example"}), "chat.example"), "chat.example: no such host", "host name is right"},
		{unreachable(dial(context.DeadlineExceeded), "192.0.2.1"), "no connection in time", "firewall"},
		{withoutTLS(&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}), "the certificate has expired or is not valid yet", "renew"},
		{withoutTLS(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), "the certificate's authority is unknown", "whole chain"},
		{withoutTLS(&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "b"}}), "x509: certificate is valid for a, not b", "with this name"},
	} {
		if tt.got.Detail != tt.detail || !strings.Contains(tt.got.Advice, tt.advice) {
			t.Errorf("got %+v, want %q, %q", tt.got, tt.detail, tt.advice)
		}
	}
	if got := unreachable(dial(refused), "192.0.2.1").Advice; strings.Contains(got, "itself") {
		t.Errorf("another machine: %s", got)
	}
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"ws://h":                  "ws://h",
		"wss://h:1/p?q":           "wss://h:1/p?q",
		"http://[::1]:80/":        "ws://[::1]:80/",
		"https://H.example/%2F?":  "wss://H.example/%2F?",
		"chat.example.com/socket": "for example ws://chat.example.com/socket",
		"chat.example.com:80":     "allowed are",
		"ftp://h":                 "allowed are ws, wss, http and https",
		"ws://":                   "no host",
		"ws://:80/":               "no host",
		"ws://h:99999/":           "an invalid port",
		"ws://user@h/":            "a user",
		"ws://h/#f":               "a fragment",
		"ws://%zz/":               "invalid URL escape",
	} {
		u, err := ParseURL(text)
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && u.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, u, err, want)
		}
	}
}
