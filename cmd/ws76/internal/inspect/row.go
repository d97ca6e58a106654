package inspect

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/ws76/ws76/modern"
)

const (
	// maxWire is how many bytes of a message are kept of each side.
	maxWire = 64 << 10
	// rowSize and partSize are what a row and a part of its bytes take besides them.
	rowSize  = 512
	partSize = 8
)

// A row is a message or a control frame on both wires, or something that ws76 did.
type row struct {
	Seq     int64     `json:"seq"`
	Time    time.Time `json:"time"`
	From    string    `json:"from"` // client, backend or ws76
	Kind    kind      `json:"kind"`
	Client  *wire     `json:"client,omitempty"`  // on the client's wire
	Backend *wire     `json:"backend,omitempty"` // on the backend's wire
	Code    int       `json:"code,omitempty"`    // of a close
	Reason  string    `json:"reason,omitempty"`  // of a close as sent; of an end, the word of the log
	Notes   []string  `json:"notes,omitempty"`   // what ws76 did, and why

	changed int64 // numbered like Seq
	gone    bool  // it is not kept any more
	size    int64
}

// wire is that of a side; nil if nothing was seen there.
func (r *row) wire(side int) *wire {
	if side == client {
		return r.Client
	}
	return r.Backend
}

// A kind says what a row is.
type kind string

const (
	text         kind = "text"
	binary       kind = "binary"
	ping         kind = "ping"
	pong         kind = "pong"
	closing      kind = "close"
	skipped      kind = "skipped"
	other        kind = "other" // a frame of a reserved opcode
	ended        kind = "end"   // the connection is over
	continuation kind = "continuation"
)

func (k kind) isMessage() bool { return k == text || k == binary || k == continuation }

var kinds = map[modern.Opcode]kind{modern.Continuation: continuation, modern.Text: text, modern.Binary: binary, modern.Close: closing, modern.Ping: ping, modern.Pong: pong}

func kindOf(op modern.Opcode) kind { return cmp.Or(kinds[op], other) }

// A wire is the bytes of a row on one side.
type wire struct {
	Offset  int64  `json:"offset"`  // of the first byte, from the end of the opening handshake
	Size    int64  `json:"size"`    // in bytes
	Payload int64  `json:"payload"` // of Size
	Frames  int    `json:"frames"`
	Bytes   octets `json:"bytes"` // at most maxWire of them
	Parts   []part `json:"parts"` // of Bytes, in their order
}

// octets are hex digits in JSON.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

func (o *octets) UnmarshalText(digits []byte) (err error) {
	*o, err = hex.AppendDecode(nil, digits)
	return err
}

// A part is a run of bytes with one meaning: h header, k masking key, p payload, t the
// byte that ends a frame of -75 and -76. In JSON it is ["h",2].
type part struct {
	what byte
	size int32
}

func (p part) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%c%d", p.what, p.size), nil }

func (p *part) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%c%d", &p.what, &p.size)
	return err
}

// add appends bytes, as far as they are kept, and returns by how much w grew.
func (w *wire) add(what byte, b []byte) (grown int64) {
	w.Size += int64(len(b))
	if what == 'p' {
		w.Payload += int64(len(b))
	}
	b = b[:min(len(b), maxWire-len(w.Bytes))]
	if len(b) == 0 {
		return 0
	}
	w.Bytes = append(w.Bytes, b...)
	if last := len(w.Parts) - 1; last >= 0 && what == 'p' && w.Parts[last].what == 'p' {
		w.Parts[last].size += int32(len(b))
		return int64(len(b))
	}
	w.Parts = append(w.Parts, part{what, int32(len(b))})
	return int64(len(b)) + partSize
}

// message is the payload, unmasked; complete is false if not all of it was kept.
func (w *wire) message() (payload []byte, complete bool) {
	var key modern.Key
	at := 0
	for _, p := range w.Parts {
		b := w.Bytes[at : at+int(p.size)]
		at += int(p.size)
		switch p.what {
		case 'h':
			key = modern.Key{}
		case 'k':
			copy(key[:], b)
		case 'p':
			plain := make([]byte, len(b))
			modern.Mask(plain, b, key)
			payload = append(payload, plain...)
		}
	}
	return payload, int64(len(w.Bytes)) == w.Size
}

// copy is the row as it is now, with at most so many bytes of each side.
func (r *row) copy(most int) row {
	c := *r
	c.Client, c.Backend, c.Notes = r.Client.copy(most), r.Backend.copy(most), slices.Clone(r.Notes)
	return c
}

func (w *wire) copy(most int) *wire {
	if w == nil {
		return nil
	}
	c := *w
	c.Bytes = w.Bytes[:min(len(w.Bytes), most)] // what is there never changes
	left := int32(len(c.Bytes))
	c.Parts = nil
	for _, p := range w.Parts {
		if left <= 0 {
			break
		}
		p.size = min(p.size, left)
		left -= p.size
		c.Parts = append(c.Parts, p)
	}
	return &c
}

func (r *row) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, n) {
		r.Notes = append(r.Notes, n)
	}
}
