package check

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// open opens a WebSocket of a dialect at target. It has a timeout of its own: a server of
// -76 may wait for the key3 of any other client until then. slips are what only
// WS76_BACKEND_LAX=on accepts of a backend of -76 or -75.
func (b Backend) open(ctx context.Context, d legacy.Dialect, target string) (backend *modern.Backend, slips []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	host := cmp.Or(b.Host, strings.TrimSuffix(b.Dialer.Address, ":80"))
	if strings.HasPrefix(host, "unix:") {
		host = "localhost" // a socket has no name, and net/http refuses its path
	}
	if !d.Legacy() {
		backend, err = b.Dialer.Dial(ctx, modern.Request{Host: host, Target: target})
		return backend, nil, err
	}
	request := &legacy.Request{
		Dialect: d, Secure: b.Dialer.TLS != nil, Host: host, Resource: target,
		Origin: cmp.Or(b.Origin, "http://"+host), AnyBrowser: true, Lax: true,
	}
	request.MakeKeys()
	backend, err = b.Dialer.Send(ctx, request.Append(nil), request.ReadResponse)
	return backend, request.Slips, err
}

// otherDialect returns an error that says which dialect the backend speaks instead of
// the one that is set; nil if it speaks none.
func (b Backend) otherDialect(ctx context.Context, target string) error {
	for _, d := range []legacy.Dialect{legacy.RFC6455, legacy.Hixie76, legacy.Hixie75} {
		if d == b.Dialect {
			continue
		}
		backend, slips, err := b.open(ctx, d, target)
		if refused := new(modern.RefusedError); errors.As(err, &refused) {
			refused.Response.Body.Close()
		}
		if err != nil {
			continue
		}
		backend.Conn.Close()
		return fmt.Errorf("the backend opens %s with -%s, not with -%s: set WS76_BACKEND_DIALECT=%s%s", target, d, b.Dialect, d, laxHint(slips))
	}
	return nil
}

func laxHint(slips []string) string {
	if len(slips) == 0 {
		return ""
	}
	return fmt.Sprintf(", and WS76_BACKEND_LAX=on for its slips (%s)", strings.Join(slips, ", "))
}

// exchangeLegacy sends a text message to a backend of -76 or -75 and prints what comes
// back.
func exchangeLegacy(backend *modern.Backend, d legacy.Dialect, text string, deadline time.Time, stdout io.Writer) error {
	backend.Conn.SetDeadline(deadline)
	conn := legacy.NewConn(backend.Conn, bufio.NewReader(io.MultiReader(strings.NewReader(string(backend.Rest)), backend.Conn)), d)
	if err := conn.WriteText(text); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	answer, err := conn.ReadText()
	if err != nil {
		fmt.Fprintf(stdout, "warning: no message came back: %v\n", err)
		return nil
	}
	fmt.Fprintf(stdout, "ok: it answered with %d bytes of text: %.100q\n", len(answer), answer)
	return nil
}
