package check

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

const (
	// moreWait is how long another message is waited for after one has come.
	moreWait = time.Second
	// maxMessage is the largest message that is looked at.
	maxMessage = 1 << 20
)

// exchange sends a text message and prints what comes back. A message that would end a
// legacy client is an error.
func (b Backend) exchange(backend *modern.Backend, text string, deadline time.Time, stdout io.Writer) error {
	backend.Conn.SetDeadline(deadline)
	if _, err := backend.Conn.Write(modern.AppendFrame(nil, true, modern.Text, []byte(text), modern.NewKey())); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	scan := modern.Scanner{MaxMessage: maxMessage}
	rest := backend.Rest
	var message []byte
	came := 0
	for {
		tok, n, err := scan.Scan(rest)
		rest = rest[n:]
		switch {
		case err != nil:
			return fmt.Errorf("the backend breaks RFC 6455: %w", err)
		case tok.Kind == modern.Control && tok.Opcode == modern.Close:
			code, reason := modern.ParseClose(tok.Data)
			fmt.Fprintf(stdout, "it closed with %d %q\n", code, reason)
			return nil
		case tok.Kind == modern.Message:
			if message = append(message, tok.Data...); tok.Last {
				if err := b.judge(tok.Opcode, message, stdout); err != nil {
					return err
				}
				message, came = nil, came+1
				backend.Conn.SetDeadline(time.Now().Add(moreWait))
			}
		}
		if tok.Kind != modern.More || n > 0 {
			continue
		}
		more := make([]byte, 4096)
		switch n, err := backend.Conn.Read(more); {
		case n > 0:
			rest = append(rest, more[:n]...)
		case errors.Is(err, os.ErrDeadlineExceeded) && came > 0:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			fmt.Fprintln(stdout, "warning: no message came back within WS76_DIAL_TIMEOUT")
			return nil
		default:
			return fmt.Errorf("the backend ended without a Close frame: %w", err)
		}
	}
}

// judge says what becomes of a message on its way to a legacy client.
func (b Backend) judge(op modern.Opcode, message []byte, stdout io.Writer) error {
	const remedy = "let the app send text (with npm ws 8: ws.send(data.toString()))"
	switch {
	case op == modern.Text:
		fmt.Fprintf(stdout, "ok: a text message came back: %.60q\n", message)
	case b.Binary == translate.BinaryText && utf8.Valid(message):
		fmt.Fprintf(stdout, "ok: a binary message of %d bytes came back, which is UTF-8, so WS76_BINARY=text carries it; better %s\n", len(message), remedy)
	case b.Binary == translate.BinaryBase64, b.Binary == translate.BinaryDrop:
		fmt.Fprintf(stdout, "warning: a binary message of %d bytes came back, and WS76_BINARY=%s; %s\n", len(message), b.Binary, remedy)
	default:
		return fmt.Errorf("a binary message of %d bytes came back, which ends legacy clients with WS76_BINARY=%s: %s", len(message), b.Binary, remedy)
	}
	return nil
}
