package modern_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/ws76/ws76/modern"
)

// A scanned is all that a Scanner said about a stream of bytes.
type scanned struct {
	events  []event
	state   string
	partial string // of the message that is not complete
	taken   int64
}

// A caller of Scan keeps the contract, that bytes that were not taken come
// again with more behind them, and checks what holds for any bytes. It joins
// messages and checks their UTF-8, which a Scanner leaves to its caller.
type caller struct {
	testing.TB
	s       *modern.Scanner
	rest    []byte // a copy of what was not taken yet: masked payload changes in place
	message []byte
	inside  bool // a message has begun
	got     scanned
}

func scan(t testing.TB, s *modern.Scanner, segments [][]byte) scanned {
	t.Helper()
	c := caller{TB: t, s: s, got: scanned{state: "open"}}
	for _, segment := range segments {
		c.rest = append(c.rest, segment...)
		for c.next() {
		}
		if c.got.state != "open" {
			break
		}
	}
	c.got.partial = hex.EncodeToString(c.message)
	return c.got
}

// next reports whether there may be more.
func (c *caller) next() bool {
	c.Helper()
	tok, n, err := c.s.Scan(c.rest)
	if n < 0 || n > len(c.rest) {
		c.Fatalf("took %d of %d bytes", n, len(c.rest))
	}
	c.rest = c.rest[n:]
	if c.got.taken += int64(n); c.s.Offset() != c.got.taken {
		c.Fatalf("offset %d, want %d", c.s.Offset(), c.got.taken)
	}
	switch {
	case err != nil:
		c.failed(err)
	case tok.Kind == modern.More:
		c.checkRest(tok, n)
		return false
	case tok.Kind == modern.Message:
		c.takePiece(tok)
	case tok.Kind == modern.Control:
		c.takeControl(tok)
	default:
		c.Fatalf("kind %d", tok.Kind)
	}
	return c.got.state == "open"
}

func (c *caller) event(e event) { c.got.events = append(c.got.events, e) }

func (c *caller) takePiece(tok modern.Token) {
	c.Helper()
	if c.s.AtBoundary() != tok.Last {
		c.Fatalf("idle %v after a piece of which last is %v", c.s.AtBoundary(), tok.Last)
	}
	c.message = append(c.message, tok.Data...)
	if c.inside = !tok.Last; c.inside {
		return
	}
	switch whole := c.message; {
	case tok.Opcode == modern.Binary:
		c.event(event{Ev: "binary", Hex: hex.EncodeToString(whole)})
	case tok.Opcode != modern.Text:
		c.Fatalf("opcode %d of a message", tok.Opcode)
	case utf8.Valid(whole):
		c.event(event{Ev: "text", Text: string(whole)})
	default:
		c.event(event{Ev: "fail", Code: modern.InvalidPayload, Reason: "text-utf8"})
		c.got.state = "failed"
	}
	c.message = nil
}

func (c *caller) takeControl(tok modern.Token) {
	c.Helper()
	if !tok.Last || len(tok.Data) > modern.MaxControl || c.s.AtBoundary() == c.inside {
		c.Fatalf("control frame %+v, idle %v, inside %v", tok, c.s.AtBoundary(), c.inside)
	}
	switch tok.Opcode {
	case modern.Ping:
		c.event(event{Ev: "ping", Hex: hex.EncodeToString(tok.Data)})
	case modern.Pong:
		c.event(event{Ev: "pong", Hex: hex.EncodeToString(tok.Data)})
	case modern.Close:
		e := event{Ev: "close"}
		e.Code, e.Reason = modern.ParseClose(tok.Data)
		if len(tok.Data) == 0 {
			e.Code -= modern.NoStatus
		}
		c.event(e)
		c.got.state = "closed"
	default:
		c.Fatalf("opcode %d of a control frame", tok.Opcode)
	}
}

// checkRest wants nothing left but a header or a control frame, not whole.
func (c *caller) checkRest(tok modern.Token, n int) {
	c.Helper()
	if len(c.rest) >= modern.MaxHeader+modern.MaxControl || n > 0 && len(c.rest) > 0 || !reflect.ValueOf(tok).IsZero() {
		c.Fatalf("%+v, %d taken, %x left", tok, n, c.rest)
	}
}

// failed checks that an error names its frame and stays.
func (c *caller) failed(err error) {
	c.Helper()
	var e *modern.ProtocolError
	if !errors.As(err, &e) || e.Offset != c.got.taken {
		c.Fatalf("got %v, want a *ProtocolError at offset %d", err, c.got.taken)
	}
	for _, frame := range []string{"\x81\x00", "\x81\x80abcd", ""} {
		tok, n, again := c.s.Scan([]byte(frame))
		if again != err || n != 0 || !reflect.ValueOf(tok).IsZero() || c.s.Offset() != c.got.taken {
			c.Fatalf("after an error: %+v, %d, %v, offset %d", tok, n, again, c.s.Offset())
		}
	}
	c.event(event{Ev: "fail", Code: e.Code, Reason: e.Reason()})
	c.got.state = "failed"
}
