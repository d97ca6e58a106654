package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/connect"
	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
	"github.com/ws76/ws76/legacy"
)

// runConnect is a client whose messages are lines.
func runConnect(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := &connect.Client{Dialect: legacy.Hixie76, Header: http.Header{"User-Agent": {"ws76-connect/" + versionText()}}}
	flags, explained := connectFlags(c)
	if err := parseClient(flags, args, &c.Place, &c.Origin, &c.Protocol); err != nil {
		return err
	}
	if *explained {
		c.Explain = terminal.NewPrinter(stderr)
	}
	err := c.Run(ctx, os.Stdin, stdout, stderr)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("connect %s: %w", c.URL.Redacted(), err)
	if errors.As(err, new(*connect.End)) {
		return exitError{err, exitBroken}
	}
	return err
}

// connectFlags are the flags, and what they set.
func connectFlags(c *connect.Client) (flags *flag.FlagSet, explained *bool) {
	flags = newFlags("connect")
	explained = flags.Bool("v", false, "explain the opening handshake, on stderr")
	flags.Func("dialect", "the `version` of WebSocket to speak: 75, 76, 7, 8 or 13 (default 76)", func(s string) error {
		n, _ := strconv.ParseUint(s, 10, 8)
		c.Dialect = legacy.Dialect(n)
		if !slices.Contains(legacy.Dialects(), c.Dialect) {
			return errors.New("allowed: 75, 76, 7, 8, 13")
		}
		return nil
	})
	flags.Func("header", "a further `field`, Name: value; may be repeated", func(s string) error { return addField(c.Header, s) })
	flags.Func("once", "send this `text` and no input, print the first message that comes, and end", func(s string) error {
		c.Once = &s
		return nil
	})
	format := func(f connect.Format) func(string) error {
		return func(string) error {
			c.Format = f
			return nil
		}
	}
	flags.BoolFunc("hex", "print messages in hex", format(connect.Hex))
	flags.BoolFunc("json", "print JSON lines: the opening, messages and the end", format(connect.JSON))
	clientFlags(flags, &c.Place, &c.Origin, &c.Protocol)
	return flags, explained
}

// addField adds a field that is not one of the handshake's own.
func addField(header http.Header, field string) error {
	name, value, ok := strings.Cut(field, ":")
	name, value = textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value)
	own := []string{"Host", "Upgrade", "Connection", "Origin", "Content-Length", "Transfer-Encoding"}
	switch {
	case !ok || name == "" || strings.ContainsAny(name, " \t") || !isPrintable(field):
		return errors.New("a field is Name: value, in printable ASCII")
	case slices.Contains(own, name), strings.HasPrefix(name, "Sec-Websocket-"), strings.HasPrefix(name, "Websocket-"):
		return fmt.Errorf("%s is a field of the opening handshake itself; -origin, -protocol and the URL set them", name)
	case name == "User-Agent":
		header.Set(name, value)
		return nil
	}
	header.Add(name, value)
	return nil
}

const connectAbout = `Each line of the terminal or the pipe is a message; each message that comes back
is printed on a line of its own, binary ones in hex. The connection is closed
when the server has been silent for a second after the end of the input, or at
Ctrl-C.

Exit status:

  0  the connection was open, and closed from here or in the way of its dialect
  1  it was not opened: not reached, refused, or the response was wrong
  2  wrong arguments
  3  it was open and ended otherwise: it broke, the server closed with another
     code than 1000 or 1001, or -once got no message in 10 s

The response is checked as the strictest browsers of the dialect do. Requests
have the User-Agent ws76-connect/VERSION, unless -header sets another.`
