package connect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
	"github.com/ws76/ws76/legacy"
)

// explain prints both sides of the opening handshake, and why the client believes it.
func (c *Client) explain(w *wire) {
	p := c.Explain
	p.Title("Opening handshake at " + c.URL.Redacted())
	is76 := c.Dialect == legacy.Hixie76
	PrintHead(p, "client ► server", w.sent, "key3", is76)
	if len(w.received) == 0 {
		p.Note("The server did not answer.")
		return
	}
	PrintHead(p, "server ► client", w.received, "challenge response", is76 && bytes.HasPrefix(w.received, []byte("HTTP/1.1 101 ")))
	switch {
	case is76:
		PrintKeys(p, w.sent)
	case c.Dialect == legacy.Hixie75:
		p.Note("-75 has no keys: the client compares the first three lines to the byte, and origin and location.")
	default:
		p.Note("Sec-WebSocket-Accept is the SHA-1 of the key and 258EAFA5-E914-47DA-95CA-C5AB0DC85B11, in base64.")
	}
}

// behind is how many bytes belong to a head of -76.
var behind = map[string]int{"key3": 8, "challenge response": 16}

// PrintHead prints a head as text, and if is76 the bytes behind it that belong to the
// opening handshake: key3 or the challenge response. It returns what follows.
func PrintHead(p *terminal.Printer, way string, data []byte, name string, is76 bool) (rest []byte) {
	head, rest, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	fmt.Fprintf(p.W, "\n  %s\n", p.Paint(terminal.Cyan, way))
	for line := range strings.SplitSeq(string(head), "\r\n") {
		p.Line("  %s", terminal.Harmless(line))
	}
	if !is76 {
		return rest
	}
	n := min(behind[name], len(rest))
	p.Line("  + %-18s % x", name, rest[:n])
	return rest[n:]
}

// PrintKeys prints the arithmetic of a request of -76, key3 included.
func PrintKeys(p *terminal.Printer, request []byte) {
	br := bufio.NewReader(bytes.NewReader(request))
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	key1, _ := legacy.ParseKey(r.Header.Get("Sec-WebSocket-Key1"))
	key2, _ := legacy.ParseKey(r.Header.Get("Sec-WebSocket-Key2"))
	var key3 [8]byte
	io.ReadFull(br, key3[:])
	p.Note("Why the client believes it:")
	for i, key := range []legacy.Key{key1, key2} {
		p.Line("Key%d  digits %10d / %2d spaces = %10d = % x", i+1, key.Number, key.Spaces, key.Part, binary.BigEndian.AppendUint32(nil, key.Part))
	}
	p.Line("key3  % x, the 8 bytes after the head, which no header announces", key3)
	p.Line("MD5 of these 16 bytes = % x, the challenge response", legacy.ChallengeResponse(key1, key2, key3))
}
