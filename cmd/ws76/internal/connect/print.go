package connect

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
)

// A Format is how messages are printed, one on a line.
type Format int

// The formats.
const (
	Plain Format = iota // text as it is, binary in hex
	Hex                 // the payload in hex
	JSON                // an object; those of the opening and the end too
)

// A printer prints what happens on a connection.
type printer struct {
	out      io.Writer
	format   Format
	harmless bool // out is a terminal
}

func (p *printer) message(m message) {
	switch {
	case p.format == JSON && !m.binary && utf8.ValidString(m.payload):
		p.object(map[string]any{"event": "message", "text": m.payload})
	case p.format == JSON:
		p.object(map[string]any{"event": "message", "binary": m.binary, "hex": fmt.Sprintf("%x", m.payload)})
	case p.format == Hex, m.binary:
		fmt.Fprintf(p.out, "% x\n", m.payload)
	case p.harmless:
		fmt.Fprintln(p.out, terminal.Harmless(m.payload))
	default:
		fmt.Fprintln(p.out, m.payload)
	}
}

func (p *printer) opened(c *Client) {
	if p.format == JSON {
		p.object(map[string]any{"event": "open", "dialect": c.Dialect.String(), "url": c.URL.String()})
	}
}

// ended prints the end, and returns it as an error if it is not a clean one.
func (p *printer) ended(e *ending) error {
	if p.format == JSON {
		p.object(map[string]any{"event": "end", "clean": e.clean, "how": e.how})
	}
	if e.clean {
		return nil
	}
	return &End{e.how}
}

func (p *printer) object(o map[string]any) {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	e.Encode(o)
}
