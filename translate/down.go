package translate

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/ws76/ws76/modern"
)

// Errors of down besides a *modern.ProtocolError.
var (
	errInvalidUTF8 = errors.New("a text message from the backend is not UTF-8")
	errBinary      = errors.New("the backend sent a binary message, which -75 and -76 cannot carry")
)

// A pingError is the payload of a Ping, valid until the next call of transform.
type pingError []byte

func (pingError) Error() string { return "translate: ping from the backend" }

// A closeError is the Close frame of a backend.
type closeError struct {
	code   uint16
	reason string
}

func (e *closeError) Error() string {
	return fmt.Sprintf("the backend closed with %d %.123q", e.code, e.reason)
}

// BinaryPolicy says what becomes of a binary message that a backend sends to a
// legacy client, which knows none.
type BinaryPolicy string

// The policies.
const (
	BinaryClose  BinaryPolicy = "close"  // end the connection: Close 1003, FF 00
	BinaryBase64 BinaryPolicy = "base64" // a text message in standard base64
	BinaryText   BinaryPolicy = "text"   // a text message if it is UTF-8, else as BinaryClose
	BinaryDrop   BinaryPolicy = "drop"   // nothing, counted
)

// minRoom is the room in dst that down wants before it looks at src: a control
// frame must fit the part of src that it may read.
const minRoom = 256

// down turns the frames of an RFC 6455 backend into messages for a legacy
// client, streaming: a message begins as soon as its first byte is there. Its
// output is never longer than its input, but for base64. Text is checked
// before it is given.
type down struct {
	scan   modern.Scanner
	binary BinaryPolicy

	text    validator
	open    bool    // 00 is out, FF is not
	carry   [3]byte // base64: bytes that do not fill a group yet
	carried int

	messages int64
	bytes    int64 // of messages, as the client gets them
	dropped  int64 // binary messages
}

// transform takes from src and gives to dst. What it leaves of src is a header
// or a control frame that is not complete; it wants it again with more behind
// it. With errShortDst it wants dst emptied first, a pingError is
// to be answered. Another error is final.
func (d *down) transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	begun := -1 // where in dst the message under way begins, if it does
	for nSrc < len(src) {
		room := len(dst) - nDst
		if room < minRoom {
			return nDst, nSrc, errShortDst
		}
		tok, n, err := d.scan.Scan(src[nSrc:min(len(src), nSrc+d.window(room))])
		if err != nil {
			return d.rollback(begun, nDst), nSrc + n, err
		}
		nSrc += n
		switch {
		case tok.Kind == modern.More && n == 0:
			return nDst, nSrc, nil
		case tok.Kind == modern.Control:
			if err := d.controlFrame(tok); err != nil {
				if _, goesOn := err.(pingError); !goesOn {
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

func (d *down) between() bool                   { return d.scan.Idle() }
func (d *down) unfinished() bool                { return d.open }
func (d *down) counts() (messages, bytes int64) { return d.messages, d.bytes }

// rollback takes a message that will not be finished out of dst, as if it had
// never begun, if it began in this call; it returns where dst ends then.
func (d *down) rollback(begun, nDst int) int {
	if !d.open || begun < 0 {
		return nDst
	}
	d.bytes -= int64(nDst - begun - 1)
	d.open = false
	return begun
}

// window is how much of src may be looked at so that its translation fits room.
func (d *down) window(room int) int {
	room -= 2 // 00 and FF
	if d.binary == BinaryBase64 {
		room = room/4*3 - len(d.carry)
	}
	return room
}

func (d *down) controlFrame(tok modern.Token) error {
	switch tok.Opcode {
	case modern.Ping:
		return pingError(tok.Data)
	case modern.Close:
		code, reason := modern.ParseClose(tok.Data)
		return &closeError{code, reason}
	}
	return nil
}

// piece appends a piece of a message to dst, which has room for it.
func (d *down) piece(dst []byte, tok modern.Token) ([]byte, error) {
	if tok.Opcode == modern.Binary {
		switch d.binary {
		case BinaryBase64:
			return d.base64(dst, tok), nil
		case BinaryDrop:
			if tok.Last {
				d.dropped++
			}
			return dst, nil
		case BinaryText:
		default:
			return dst, errBinary
		}
	}
	if !d.text.feed(tok.Data) || tok.Last && !d.text.whole() {
		if tok.Opcode == modern.Binary {
			return dst, errBinary
		}
		return dst, errInvalidUTF8
	}
	dst = d.begin(dst)
	dst = append(dst, tok.Data...)
	d.bytes += int64(len(tok.Data))
	return d.finish(dst, tok.Last), nil
}

// base64 appends whole groups of 3 bytes as 4 characters, and what is left when
// the message ends.
func (d *down) base64(dst []byte, tok modern.Token) []byte {
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

func (d *down) begin(dst []byte) []byte {
	if d.open {
		return dst
	}
	d.open = true
	return append(dst, 0x00)
}

func (d *down) finish(dst []byte, last bool) []byte {
	if !last {
		return dst
	}
	d.open = false
	d.messages++
	return append(dst, 0xff)
}
