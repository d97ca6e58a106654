package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ws76/ws76/modern"
)

// A printer writes the demo, in colours if it writes to a terminal.
type printer struct {
	w      io.Writer
	colour bool
}

func newPrinter(w io.Writer) *printer {
	p := &printer{w: w}
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		info, err := f.Stat()
		p.colour = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// ANSI colours.
const (
	bold  = "1"
	green = "32"
	cyan  = "36"
	grey  = "90"
)

func (p *printer) paint(colour, s string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

func (p *printer) title(s string) { fmt.Fprintf(p.w, "\n%s\n", p.paint(bold, s)) }

func (p *printer) done(s string) { fmt.Fprintf(p.w, "\n%s\n", p.paint(green, s)) }

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, "  "+format+"\n", args...)
}

func (p *printer) note(format string, args ...any) {
	fmt.Fprintf(p.w, "\n  %s\n", p.paint(grey, fmt.Sprintf(format, args...)))
}

// handshake prints a head as text and what belongs to it as bytes; it returns
// the frames that follow.
func (p *printer) handshake(e event) (frames []byte) {
	head, rest, isHead := bytes.Cut(e.data, []byte("\r\n\r\n"))
	if !isHead {
		return e.data
	}
	fmt.Fprintf(p.w, "\n  %s\n", p.paint(cyan, e.way))
	for line := range strings.SplitSeq(string(head), "\r\n") {
		p.line("  %s", line)
	}
	switch {
	case e.way == "client ► ws76":
		p.line("  + key3               % x", rest)
		return nil
	case e.way == "ws76 ► client" && len(rest) >= 16:
		p.line("  + challenge response % x", rest[:16])
		return rest[16:]
	}
	return rest
}

// frames prints the bytes of frames, and what they say.
func (p *printer) frames(e event) {
	fmt.Fprintf(p.w, "  %s  % x%s\n", p.paint(cyan, fmt.Sprintf("%-14s", e.way)), e.data, p.paint(grey, p.meaning(e)))
}

func (p *printer) meaning(e event) string {
	if !strings.Contains(e.way, "backend") {
		return ""
	}
	h, ok := modern.ParseHeader(e.data)
	if !ok {
		return ""
	}
	kind := map[modern.Opcode]string{modern.Text: "Text", modern.Close: "Close"}[h.Opcode]
	if !h.Masked {
		return fmt.Sprintf("   %s, %d bytes", kind, h.Length)
	}
	payload := e.data[h.Size:]
	plain := make([]byte, len(payload))
	modern.Mask(plain, payload, h.Key)
	return fmt.Sprintf("   %s, %d bytes, masked with % x: % x", kind, h.Length, h.Key, plain)
}
