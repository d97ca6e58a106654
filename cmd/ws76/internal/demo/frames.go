package demo

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/connect"
	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
	"github.com/ws76/ws76/modern"
)

// handshake prints a head and what belongs to it; it returns the frames that follow.
func (d *demonstration) handshake(e event) (frames []byte) {
	if !bytes.Contains(e.data, []byte("\r\n\r\n")) {
		return e.data
	}
	name := map[string]string{"client ► ws76": "key3", "ws76 ► client": "challenge response"}[e.way]
	return connect.PrintHead(d.Printer, e.way, e.data, name, name != "")
}

// frames prints the bytes of frames, and what they say.
func (d *demonstration) frames(e event) {
	fmt.Fprintf(d.W, "  %s  % x%s\n", d.Paint(terminal.Cyan, fmt.Sprintf("%-14s", e.way)), e.data, d.Paint(terminal.Grey, d.meaning(e)))
}

func (d *demonstration) meaning(e event) string {
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
