package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ws76/ws76/modern"
)

// check validates the environment and the files that it names, and with
// -backend opens a WebSocket to the backend.
func check(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dial := flags.Bool("backend", false, "connect to WS76_BACKEND and say what was found")
	path := flags.String("path", "", "with -backend: the path of a WebSocket of the backend, which must open")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usagef("check takes no arguments, not %q; settings are WS76_ variables, see ws76 help", flags.Args())
	}
	if *path != "" && !*dial {
		return usagef("-path is a path of the backend, which is asked with -backend only")
	}
	if *path != "" && !strings.HasPrefix(*path, "/") {
		return usagef("-path %q is not a path; allowed: one that begins with /, for example /chat", *path)
	}
	c, cr, err := load()
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "ok: the environment and its files")
	for _, pair := range cr.certificates() {
		checkCertificate(pair, stdout)
	}
	if !*dial {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.DialTimeout))
	defer cancel()
	return checkBackend(ctx, c, modern.Dialer{Address: c.Backend.Address, TLS: cr.backend}, *path, stdout)
}

// checkCertificate warns of one that has expired: the gateway starts with it.
func checkCertificate(c *certificate, stdout io.Writer) {
	leaf := c.current.Load().Leaf
	until := leaf.NotAfter.Format(time.RFC3339)
	if time.Now().After(leaf.NotAfter) {
		fmt.Fprintf(stdout, "warning: %s has expired at %s: the other side will refuse it; renew it\n", c.names[0], until)
		return
	}
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{"no name (it has no subjectAltName, which clients of today want)"}
	}
	fmt.Fprintf(stdout, "ok: %s is for %s until %s\n", c.names[0], strings.Join(names, ", "), until)
}

func checkBackend(ctx context.Context, c *Config, dialer modern.Dialer, path string, stdout io.Writer) error {
	conn, err := dialer.Connect(ctx)
	if err != nil {
		return fmt.Errorf("WS76_BACKEND at %s: %w; clients would get 502 or 504: %s", dialer.Address, err, connectHint(err))
	}
	if secure, ok := conn.(*tls.Conn); ok {
		fmt.Fprintf(stdout, "ok: %s speaks %s and its certificate is right\n", dialer.Address, tls.VersionName(secure.ConnectionState().Version))
	}
	conn.Close()
	fmt.Fprintf(stdout, "ok: %s accepts connections\n", dialer.Address)
	target := c.Backend.Prefix + cmp.Or(path, "/")
	backend, err := dialer.Dial(ctx, modern.Request{Host: dialer.Address, Target: target})
	var refused *modern.RefusedError
	switch {
	case err == nil:
		backend.Conn.Write(modern.AppendClose(nil, modern.GoingAway, modern.NewKey()))
		backend.Conn.Close()
		fmt.Fprintf(stdout, "ok: %s opens a WebSocket\n", target)
		return nil
	case errors.As(err, &refused):
		defer refused.Response.Body.Close()
		if path != "" {
			return fmt.Errorf("the backend answers %s to an opening handshake for %s", refused.Response.Status, target)
		}
		fmt.Fprintf(stdout, "ok: it answers %s to an opening handshake for %s; -path names another path%s\n", refused.Response.Status, target, refusedHint(refused.Response))
		return nil
	}
	return fmt.Errorf("%s accepts connections but no opening handshake: %w", dialer.Address, err)
}

// connectHint is what to change when no connection comes about.
func connectHint(err error) string {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "WS76_BACKEND_CA names the authority of its certificate"
	case errors.As(err, new(x509.HostnameError)):
		return "WS76_BACKEND_SERVER_NAME says which name its certificate has"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "this address does not speak TLS; has WS76_BACKEND to begin with http://?"
	}
	return "is the app running, and is this its address?"
}

// refusedHint is what may be behind the refusal of a handshake without Origin.
func refusedHint(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusForbidden:
		return " (this handshake has no Origin, which some backends refuse)"
	case http.StatusBadRequest:
		return " (so does a port of TLS; has WS76_BACKEND to begin with https://?)"
	}
	return ""
}
