// Package terminal writes text for people, in colours if it writes to a terminal.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// A Printer writes the demo and the report of probe.
type Printer struct {
	W      io.Writer
	Colour bool
}

// NewPrinter returns a Printer without colours unless w is a terminal.
func NewPrinter(w io.Writer) *Printer {
	return &Printer{W: w, Colour: Is(w) && os.Getenv("NO_COLOR") == ""}
}

// Is reports whether f, a file or any reader or writer, is a terminal.
func Is(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Harmless returns s with U+FFFD in the place of control characters, with which a peer
// could move the cursor or change the keyboard.
func Harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Colours, as ANSI codes.
const (
	Bold  = "1"
	Green = "32"
	Cyan  = "36"
	Grey  = "90"
	Red   = "31"
)

// Paint returns s in a colour.
func (p *Printer) Paint(colour, s string) string {
	if !p.Colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// Title prints a heading.
func (p *Printer) Title(s string) { fmt.Fprintf(p.W, "\n%s\n", p.Paint(Bold, s)) }

// Done prints a conclusion.
func (p *Printer) Done(s string) { fmt.Fprintf(p.W, "\n%s\n", p.Paint(Green, s)) }

// Line prints one line.
func (p *Printer) Line(format string, args ...any) {
	fmt.Fprintf(p.W, "  "+format+"\n", args...)
}

// Note prints an explanation.
func (p *Printer) Note(format string, args ...any) {
	fmt.Fprintf(p.W, "\n  %s\n", p.Paint(Grey, fmt.Sprintf(format, args...)))
}
