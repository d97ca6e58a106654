package codec

import (
	"encoding/binary"

	"github.com/ws76/ws76/modern"
)

// Walk counts the messages of version 7, 8 or 13 in bytes that pass as they are, and
// notes a Close frame. It reads headers and skips payloads: it copies, unmasks and
// inflates nothing. After a Close frame, or a header that no frame can have, it reads
// no further: what follows are no frames.
type Walk struct {
	server  bool // the frames are a server's, not masked
	ends    bool // the current frame is the last of a message
	over    bool
	held    uint8 // bytes in part
	part    [modern.MaxHeader]byte
	left    uint64 // payload of the current frame that is still to come
	summary *Summary

	messages int64
}

// NewWalk returns a Walk for what a client sends, or a server, which notes in s who closed.
func NewWalk(server bool, s *Summary) *Walk { return &Walk{server: server, summary: s} }

// Pass is shown the next bytes, cut anywhere.
func (w *Walk) Pass(b []byte) {
	for len(b) > 0 && !w.over {
		switch {
		case w.left > 0:
			n := min(w.left, uint64(len(b)))
			b = b[n:]
			w.skip(n)
		case w.held > 0:
			b = w.complete(b)
		default:
			if b = w.short(b); len(b) > 0 {
				b = w.next(b)
			}
		}
	}
}

// Messages returns how many messages have passed whole.
func (w *Walk) Messages() int64 { return w.messages }

// What the first byte of a frame says, with any reserved bits: they are for extensions.
const (
	isOther   = iota // a Close frame, or none
	isPart           // of a message, not the last one
	isMessage        // or the last part of one
	isControl
)

var firstBytes = func() (kinds [256]uint8) {
	for b := range kinds {
		h, _ := modern.ParseHeader([]byte{byte(b), 0})
		switch {
		case h.Opcode == modern.Ping || h.Opcode == modern.Pong:
			if h.Fin {
				kinds[b] = isControl
			}
		case h.Opcode <= modern.Binary && h.Fin:
			kinds[b] = isMessage
		case h.Opcode <= modern.Binary:
			kinds[b] = isPart
		}
	}
	return kinds
}()

// short takes whole frames of less than 64 KiB, which most are. In a flood of tiny ones
// each costs about as much as the wait for its length, which says where the next one is.
// Where frames are alike it is not waited for.
func (w *Walk) short(b []byte) []byte {
	const long = 126 // the length is in the next two bytes
	head, mask := 2, byte(0)
	if !w.server {
		head, mask = 6, 0x80
	}
	i, messages := 0, int64(0)
	for last := -1; i < len(b)-4; {
		kind, length := firstBytes[b[i]], b[i+1]-mask
		size := head - int(mask) + int(b[i+1])
		if length >= long {
			if length > long || kind == isControl {
				break
			}
			size = head + 2 + int(binary.BigEndian.Uint16(b[i+2:]))
		}
		if kind == isOther || size > len(b)-i {
			break
		}
		n := 1
		if size == last && length < long {
			n = alike(b[i:], size)
		}
		if kind == isMessage {
			messages += int64(n)
		}
		i, last = i+n*size, size
	}
	w.messages += messages
	return b[i:]
}

// alike returns how many whole frames b begins with that have the two bytes of the first
// one, which is whole, and so its size.
func alike(b []byte, size int) (n int) {
	first := binary.LittleEndian.Uint16(b)
	for n = 1; len(b) >= 2*size && binary.LittleEndian.Uint16(b[size:]) == first; n++ {
		b = b[size:]
	}
	return n
}

// next takes the header that b begins with, or keeps what there is of it.
func (w *Walk) next(b []byte) []byte {
	h, ok := modern.ParseHeader(b)
	if !ok {
		w.held = uint8(copy(w.part[:], b))
		return nil
	}
	w.begin(h)
	return b[h.Size:]
}

// complete takes a header of which a part is kept, byte by byte.
func (w *Walk) complete(b []byte) []byte {
	w.part[w.held] = b[0]
	w.held++
	if h, ok := modern.ParseHeader(w.part[:w.held]); ok {
		w.held = 0
		w.begin(h)
	}
	return b[1:]
}

// begin notes a frame.
func (w *Walk) begin(h modern.Header) {
	if w.over = !possible(h) || h.Masked == w.server; w.over {
		return
	}
	if h.Opcode == modern.Close {
		w.over = true
		w.summary.closes(w.server)
		return
	}
	w.left, w.ends = h.Length, h.Fin && !h.Opcode.Control()
	w.skip(0)
}

// skip leaves out n bytes of payload.
func (w *Walk) skip(n uint64) {
	if w.left -= n; w.left == 0 && w.ends {
		w.ends = false
		w.messages++
	}
}

// possible reports whether a frame of any version and extension can have this header.
func possible(h modern.Header) bool {
	switch {
	case h.Opcode > modern.Binary && h.Opcode < modern.Close, h.Opcode > modern.Pong, h.Length>>63 != 0:
		return false
	}
	return !h.Opcode.Control() || h.Fin && h.Length <= modern.MaxControl
}
