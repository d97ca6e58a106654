package codec

import (
	"encoding/base64"
	"fmt"
	"io"

	"github.com/ws76/ws76/modern"
)

// A Ping is the payload of a Ping frame, valid until the next call of Transform.
type Ping []byte

func (Ping) Error() string { return "codec: Ping" }

// A CloseError is a Close frame.
type CloseError struct {
	Code   uint16 // modern.NoStatus if the frame had none
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("closed with %d %.123q", e.Code, e.Reason)
}

// A BinaryPolicy says what becomes of a binary message for a side of -75 or -76, which
// have text only.
type BinaryPolicy string

// The policies.
const (
	BinaryClose  BinaryPolicy = "close"  // end the connection: Close 1003, FF 00
	BinaryBase64 BinaryPolicy = "base64" // a text message in standard base64
	BinaryText   BinaryPolicy = "text"   // a text message if it is UTF-8, else as BinaryClose
	BinaryDrop   BinaryPolicy = "drop"   // nothing, counted
)

// Down turns the frames of an RFC 6455 backend into messages for a legacy client. A
// message begins as soon as its first byte is there. The output is never longer than
// the input, except for base64. Text is checked before it is given.
type Down struct {
	scan    modern.Scanner
	binary  BinaryPolicy
	summary *Summary

	text    validator
	open    bool    // 00 is out, FF is not
	carry   [3]byte // base64: bytes that do not fill a group yet
	carried int

	messages int64
	bytes    int64 // of messages, as the legacy peer gets them
}

// NewDown returns a codec for a backend, which counts in s. A message that is
// larger than its limit is a *modern.ProtocolError; 0 is no limit.
func NewDown(maxMessage int64, binary BinaryPolicy, s *Summary) *Down {
	return &Down{scan: modern.Scanner{MaxMessage: maxMessage}, binary: binary, summary: s}
}

// NewServerDown returns a codec for an RFC 6455 client: Down as a server, whose peer
// masks its frames. A lenient one is for versions 7 and 8, as modern.Scanner is.
func NewServerDown(maxMessage int64, lenient bool, binary BinaryPolicy, s *Summary) *Down {
	d := NewDown(maxMessage, binary, s)
	d.scan.Server, d.scan.Lenient = true, lenient
	return d
}

// Transform follows the package's contract. It returns a Ping, a *CloseError,
// ErrInvalidUTF8, ErrBinary or a *modern.ProtocolError. Of a message that ends in an
// error it gives nothing if the message began in the same call.
func (d *Down) Transform(dst, src []byte, full bool) (nDst, nSrc int, err error) {
	begun := -1 // where in dst the current message begins, if it does
	for nSrc < len(src) {
		if !full && d.awaits(src[nSrc:]) {
			return nDst, nSrc, nil
		}
		free := len(dst) - nDst
		if d.binary == BinaryBase64 {
			free = len(room(dst, src, nDst, nSrc))
		}
		if free < MinRoom {
			return nDst, nSrc, io.ErrShortBuffer
		}
		tok, n, err := d.scan.Scan(src[nSrc:min(len(src), nSrc+d.window(free))])
		if err != nil {
			return d.rollback(begun, nDst), nSrc + n, err
		}
		nSrc += n
		switch {
		case tok.Kind == modern.More && n == 0:
			return nDst, nSrc, nil
		case tok.Kind == modern.Control:
			if err := d.controlFrame(tok); err != nil {
				if _, goesOn := err.(Ping); !goesOn {
					nDst = d.rollback(begun, nDst)
				}
				return nDst, nSrc, err
			}
		case tok.Kind == modern.Message:
			if !d.open {
				begun = nDst
			}
			m, err := d.piece(dst[nDst:nDst], tok)
			if err != nil {
				return d.rollback(begun, nDst), nSrc, err
			}
			nDst += len(m)
		}
	}
	return nDst, nSrc, nil
}

// maxChecked is how long a binary message may be that is checked to be UTF-8 before any of
// it is given, if it is one frame: less than a buffer holds. What is longer, or fragmented, is checked as it comes.
const maxChecked = 63 << 10

// awaits reports whether src begins with a part of a binary message that is to be checked
// as a whole.
func (d *Down) awaits(src []byte) bool {
	if d.binary != BinaryText || src[0] != 0x80|byte(modern.Binary) || !d.scan.AtBoundary() {
		return false
	}
	h, ok := modern.ParseHeader(src)
	fits := h.Length <= maxChecked && (d.scan.MaxMessage == 0 || h.Length <= uint64(d.scan.MaxMessage))
	return ok && fits && h.Masked == d.scan.Server && h.Length > uint64(len(src)-h.Size)
}

// AtBoundary reports whether what was taken ends between two messages.
func (d *Down) AtBoundary() bool { return d.scan.AtBoundary() }

// MidMessage reports whether what was given ends inside a message.
func (d *Down) MidMessage() bool { return d.open }

// Counts returns how many messages, and bytes of messages, were given.
func (d *Down) Counts() (messages, bytes int64) { return d.messages, d.bytes }

// rollback takes a message that will not be finished out of dst, as if it had
// never begun, if it began in this call; it returns where dst ends then.
func (d *Down) rollback(begun, nDst int) int {
	if !d.open || begun < 0 {
		return nDst
	}
	d.bytes -= int64(nDst - begun - 1)
	d.open = false
	return begun
}

// window is how much of src may be looked at so that its translation fits free.
func (d *Down) window(free int) int {
	free -= 2 // 00 and FF
	if d.binary == BinaryBase64 {
		free = free/4*3 - len(d.carry)
	}
	return free
}

func (d *Down) controlFrame(tok modern.Token) error {
	switch tok.Opcode {
	case modern.Ping:
		return Ping(tok.Data)
	case modern.Pong:
		d.summary.Answered.Store(true)
	case modern.Close:
		code, reason := modern.ParseClose(tok.Data)
		if d.scan.Lenient && code != modern.NoStatus {
			code = sendable(code)
		}
		return &CloseError{code, reason}
	}
	return nil
}

// piece appends a piece of a message to dst, which has room for it.
func (d *Down) piece(dst []byte, tok modern.Token) ([]byte, error) {
	if tok.Opcode == modern.Binary {
		switch d.binary {
		case BinaryBase64:
			return d.base64(dst, tok), nil
		case BinaryDrop:
			if tok.Last {
				d.summary.Dropped++
			}
			return dst, nil
		case BinaryText:
		default:
			return dst, ErrBinary
		}
	}
	if !d.text.feed(tok.Data) || tok.Last && !d.text.whole() {
		if tok.Opcode == modern.Binary {
			return dst, ErrBinary
		}
		return dst, ErrInvalidUTF8
	}
	dst = d.begin(dst)
	dst = append(dst, tok.Data...)
	d.bytes += int64(len(tok.Data))
	return d.finish(dst, tok.Last), nil
}

// base64 appends whole groups of 3 bytes as 4 characters, and what is left when
// the message ends.
func (d *Down) base64(dst []byte, tok modern.Token) []byte {
	dst = d.begin(dst)
	before := len(dst)
	data := tok.Data
	if d.carried > 0 {
		n := copy(d.carry[d.carried:], data)
		data = data[n:]
		if d.carried += n; d.carried == len(d.carry) {
			dst = base64.StdEncoding.AppendEncode(dst, d.carry[:])
			d.carried = 0
		}
	}
	whole := len(data) / 3 * 3
	dst = base64.StdEncoding.AppendEncode(dst, data[:whole])
	d.carried += copy(d.carry[d.carried:], data[whole:])
	if tok.Last {
		dst = base64.StdEncoding.AppendEncode(dst, d.carry[:d.carried])
		d.carried = 0
	}
	d.bytes += int64(len(dst) - before)
	return d.finish(dst, tok.Last)
}

func (d *Down) begin(dst []byte) []byte {
	if d.open {
		return dst
	}
	d.open = true
	return append(dst, 0x00)
}

func (d *Down) finish(dst []byte, last bool) []byte {
	if !last {
		return dst
	}
	d.open = false
	d.messages++
	return append(dst, 0xff)
}
