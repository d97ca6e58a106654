package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/check"
	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// runCheck validates the environment and the files that it names, and with
// -backend opens a WebSocket to the backend.
func runCheck(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("check")
	dial := flags.Bool("backend", false, "connect to WS76_BACKEND and report what was found")
	path := flags.String("path", "", "with -backend: the path of a WebSocket of the backend, which must open")
	message := flags.String("message", "", "with -backend: a `text` to send to that WebSocket, and to report what comes back")
	if err := parseOnlyFlags(flags, args); err != nil {
		return err
	}
	if *path+*message != "" && !*dial {
		return usagef("-path and -message are for the backend, which is asked with -backend only")
	}
	if *path != "" && !strings.HasPrefix(*path, "/") {
		return usagef("-path %q is not a path; allowed: one that begins with /, for example /chat", *path)
	}
	c, cr, err := load()
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "ok: the environment and its files")
	fmt.Fprintf(stdout, "the backend is %s\n", config.Show("WS76_BACKEND"))
	for _, setting := range config.NotDefault() {
		fmt.Fprintf(stdout, "set: %s\n", setting)
	}
	for _, pair := range cr.Certificates() {
		check.Certificate(pair.Variable(), pair.Leaf(), stdout)
	}
	if !*dial {
		return nil
	}
	backend := check.Backend{Dialer: modern.Dialer{Address: c.Backend.Address, TLS: cr.Backend}, Prefix: c.Backend.Prefix, Binary: c.Binary,
		Timeout: time.Duration(c.DialTimeout),
		Dialect: legacy.Dialect(c.BackendDialect), Lax: c.BackendLax == "on", Host: backendHost(c), Origin: string(c.BackendOrigin),
	}
	return backend.Check(ctx, *path, *message, stdout)
}
