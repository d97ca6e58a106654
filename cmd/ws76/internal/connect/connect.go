// Package connect is a WebSocket client for a terminal or a pipe. It speaks -75, -76,
// versions 7 and 8, and RFC 6455.
package connect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
	"github.com/ws76/ws76/legacy"
)

const (
	// openTimeout bounds TCP, TLS and the opening handshake.
	openTimeout = 10 * time.Second
	// onceTimeout is how long the message that Once waits for may take.
	onceTimeout = 10 * time.Second
	// quietTime is how long the server must be silent after the last line of the input,
	// before the connection is closed.
	quietTime = time.Second
	// closeTimeout bounds the closing handshake.
	closeTimeout = 5 * time.Second
	// maxMessage is the largest message that is printed.
	maxMessage = 64 << 20
)

// A Client is one connection as it was asked for.
type Client struct {
	reach.Place
	Dialect  legacy.Dialect
	Origin   string      // empty: the URL's own
	Protocol string      // subprotocol, or a list of them; empty to ask for none
	Header   http.Header // further fields
	Format   Format
	Once     *string           // send this alone, and end at the first message; nil: the input is sent
	Explain  *terminal.Printer // where the opening handshake is explained; nil: nowhere
}

// An End is a connection that was open and did not end in the way of its dialect.
type End struct{ how string }

func (e *End) Error() string { return "the connection was open and ended with " + e.how }

// Run connects, sends each line of in as a message and prints what comes back to out, until
// in or ctx ends or the server closes. notes gets what a person at a terminal wants to know.
// The error is an *End if the connection was open.
func (c *Client) Run(ctx context.Context, in io.Reader, out, notes io.Writer) error {
	w, t, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer w.Conn.Close()
	defer context.AfterFunc(ctx, func() { w.Conn.SetWriteDeadline(time.Now().Add(closeTimeout)) })()
	done := make(chan struct{})
	defer close(done)
	s := session{talk: t, print: &printer{out: out, format: c.Format, harmless: terminal.Is(out)}, incoming: receive(t, done), once: c.Once != nil}
	s.print.opened(c)
	if s.once {
		text := make(chan string, 1)
		text <- *c.Once
		close(text)
		return s.run(ctx, text)
	}
	if terminal.Is(in) {
		fmt.Fprintf(notes, "connected with -%s: each line is a message, Ctrl-D ends\n", c.Dialect)
	}
	return s.run(ctx, readLines(in, done))
}

// A session is an open connection with its two sources of events.
type session struct {
	talk
	print    *printer
	incoming <-chan event
	once     bool // the first message is the last
}

// An event is a message, or the end of them.
type event struct {
	message
	end *ending
}

func receive(t talk, done <-chan struct{}) <-chan event {
	events := make(chan event)
	go func() {
		for {
			m, end := t.receive()
			select {
			case events <- event{m, end}:
			case <-done:
				return
			}
			if end != nil {
				return
			}
		}
	}()
	return events
}

// readLines returns the lines of in, without their ends.
func readLines(in io.Reader, done <-chan struct{}) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		br := bufio.NewReader(in)
		for {
			line, err := br.ReadString('\n')
			if err != nil && line == "" {
				return
			}
			select {
			case lines <- strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"):
			case <-done:
				return
			}
		}
	}()
	return lines
}

// run sends lines and prints messages until one side has enough.
func (s *session) run(ctx context.Context, lines <-chan string) error {
	wait := quietTime
	if s.once {
		wait = onceTimeout
	}
	var quiet <-chan time.Time // from the end of the input on
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				lines, quiet = nil, time.After(wait)
			} else if !utf8.ValidString(line) {
				return errors.Join(s.close(), &End{"a line of the input that is not UTF-8, which was not sent"})
			} else if err := s.send(line); err != nil {
				return &End{reach.Ending(err)}
			}
		case e := <-s.incoming:
			if e.end != nil {
				e.end.clean = e.end.clean && !s.once
				return s.ended(e.end)
			}
			s.print.message(e.message)
			if s.once {
				return s.close()
			}
			if quiet != nil {
				quiet = time.After(wait)
			}
		case <-quiet:
			if s.once {
				return errors.Join(s.close(), &End{"no message in " + wait.String()})
			}
			return s.close()
		case <-ctx.Done():
			return s.close()
		}
	}
}

// close says goodbye and prints what still comes until the server ends the connection: in
// whatever way, because some only end TCP.
func (s *session) close() error {
	if err := s.goodbye(); err != nil {
		return &End{reach.Ending(err)}
	}
	timeout := time.After(closeTimeout)
	for {
		select {
		case e := <-s.incoming:
			if e.end != nil {
				s.print.ended(e.end)
				return nil
			}
			s.print.message(e.message)
		case <-timeout:
			return &End{"no answer to our closing handshake"}
		}
	}
}

// ended answers the server's closing handshake.
func (s *session) ended(e *ending) error {
	if e.clean {
		s.goodbye()
	}
	return s.print.ended(e)
}
