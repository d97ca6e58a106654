package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
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
	if *path != "" && !strings.HasPrefix(*path, "/") {
		return usagef("-path %q is not a path; allowed: one that begins with /, for example /chat", *path)
	}
	c, cr, err := load()
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "ok: the environment and its files")
	for _, pair := range cr.certificates() {
		until := pair.notAfter().Format(time.RFC3339)
		if time.Now().After(pair.notAfter()) {
			return fmt.Errorf("%s has expired at %s: clients will refuse it; renew it", pair.names[0], until)
		}
		fmt.Fprintf(stdout, "ok: %s is for %s until %s\n", pair.names[0], strings.Join(pair.current.Load().Leaf.DNSNames, ", "), until)
	}
	if !*dial {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.DialTimeout))
	defer cancel()
	return checkBackend(ctx, c, modern.Dialer{Address: c.Backend.Address, TLS: cr.backend}, *path, stdout)
}

func checkBackend(ctx context.Context, c *Config, dialer modern.Dialer, path string, stdout io.Writer) error {
	conn, err := dialer.Connect(ctx)
	if err != nil {
		return fmt.Errorf("WS76_BACKEND at %s: %w; clients would get 502 or 504: is the app running, and is this its address?", dialer.Address, err)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		fmt.Fprintf(stdout, "ok: %s speaks %s and its certificate is right\n", dialer.Address, tls.VersionName(secure.ConnectionState().Version))
	}
	conn.Close()
	fmt.Fprintf(stdout, "ok: %s accepts connections\n", dialer.Address)
	target := c.Backend.Prefix + path
	if target == "" {
		target = "/"
	}
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
		fmt.Fprintf(stdout, "ok: it answers %s to an opening handshake for %s; -path names another path%s\n", refused.Response.Status, target, originHint(refused.Response))
		return nil
	}
	return fmt.Errorf("%s accepts connections but no opening handshake: %w", dialer.Address, err)
}

// originHint is for backends that let in known origins only: this verb has none.
func originHint(resp *http.Response) string {
	if resp.StatusCode == http.StatusForbidden {
		return " (this handshake has no Origin, which some backends refuse)"
	}
	return ""
}
