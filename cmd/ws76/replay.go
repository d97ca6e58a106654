package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/cmd/ws76/internal/inspect"
	"github.com/ws76/ws76/modern"
)

// replay plays an export of the inspector against a backend.
func replay(ctx context.Context, args []string, stdout, _ io.Writer) error {
	flags := newFlags("replay")
	var url config.BackendURL
	flags.Func("backend", "the `URL` of the backend, and of no other, as in WS76_BACKEND", func(text string) error { return url.UnmarshalText([]byte(text)) })
	names, err := parseFlags(flags, args)
	if err != nil {
		return err
	}
	if len(names) != 1 || url.Address == "" {
		return usagef("replay takes FILE -backend URL: an export of /inspect, and the backend to play it against; not %q", args)
	}
	name := names[0]
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	backend := modern.Dialer{Address: url.Address}
	if url.Secure {
		host, _, _ := net.SplitHostPort(url.Address)
		backend.TLS = &tls.Config{ServerName: host}
	}
	if err := inspect.Replay(ctx, file, backend, url.Prefix, stdout); err != nil {
		return fmt.Errorf("replay %s: %w", name, err)
	}
	return nil
}
