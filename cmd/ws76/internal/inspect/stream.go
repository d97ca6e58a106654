package inspect

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A stream is what one side sends, or is sent, in one direction.
type stream struct {
	conn    *conn
	side    int
	written bool // by ws76
	legacy  *legacy.Scanner

	offset  int64
	pending []byte // not understood yet: part of a header, or of a character
	message *row   // under way
	frame   *row   // under way: message, or a control frame inside it
	left    uint64 // of the frame's payload
	fin     bool
	control []byte // payload of the control frame under way
	lost    bool   // what comes cannot be told any more
	begun   bool   // FF has come, and is in no row yet
	closed  bool   // FF 00 has come
}

// feed takes bytes as they come.
func (s *stream) feed(b []byte) {
	if len(s.pending) > 0 {
		b = append(s.pending, b...)
		s.pending = nil
	}
	for len(b) > 0 && !s.lost {
		var n int
		if s.legacy != nil {
			n = s.scan(b)
		} else {
			n = s.parse(b)
		}
		if n == 0 {
			s.pending = append([]byte(nil), b...)
			return
		}
		b = b[n:]
	}
}

// scan takes the next piece of -75 or -76.
func (s *stream) scan(b []byte) int {
	tok, n, err := s.legacy.Scan(b, true)
	switch {
	case err != nil:
		s.lost = true
		s.begin(other)
		s.add('h', b)
		s.frame.note("cannot be read: %v", err)
		s.message, s.frame = nil, nil
		return len(b)
	case n == 0:
		return 0
	case tok.Kind == legacy.Text:
		s.text(b[:n], tok)
	case tok.Kind == legacy.More && s.frame == nil && !s.closed && n == 1 && b[0] == 0xff:
		s.begun = true // a close or a skipped frame: its length will tell
	case tok.Kind == legacy.Close:
		s.begin(closing)
		s.add('h', []byte{0xff, 0})
		s.end()
		s.closed = true
	case s.closed:
		if s.frame == nil {
			s.begin(other)
			s.frame.note("behind FF 00: does not count any more")
		}
		s.add('p', b[:n])
	default:
		s.skip(b[:n], tok.Kind == legacy.Skip)
	}
	return n
}

// text takes a piece of a message, with the 00 and the FF around it.
func (s *stream) text(b []byte, tok legacy.Token) {
	end := len(b)
	if tok.Last {
		end--
	}
	start := end - len(tok.Data)
	if s.message == nil {
		s.begin(text)
	}
	s.add('h', b[:start])
	s.add('p', tok.Data)
	s.add('t', b[end:])
	if !s.written && !s.conn.tunnel() && !utf8.Valid(tok.Data) {
		s.frame.note("not UTF-8: ws76 put U+FFFD in, because a message must be UTF-8 (RFC 6455 section 5.6, -76 section 5.3)")
	}
	s.frame = s.message
	if tok.Last {
		s.end()
	}
}

// skip takes bytes of a frame of a reserved type.
func (s *stream) skip(b []byte, done bool) {
	if s.frame == nil && s.conn.tunnel() {
		s.begin(other)
	} else if s.frame == nil {
		s.begin(skipped)
	}
	if s.begun {
		s.add('p', []byte{0xff})
		s.begun = false
	}
	s.add('p', b)
	if !done {
		return
	}
	kind, size := s.legacy.Skipped()
	if !s.conn.tunnel() {
		s.frame.note("a frame of the reserved type 0x%02X with %d bytes: ws76 discarded it (-76 section 5.3)", kind, size)
	}
	s.divide()
	s.end()
}

// divide tells header, payload and end of a skipped frame apart.
func (s *stream) divide() {
	w := s.wire()
	head, tail := 1, 0
	if w.Bytes[0] < 0x80 {
		tail = 1
	} else {
		for head < len(w.Bytes) && w.Bytes[head] >= 0x80 {
			head++
		}
		head = min(head+1, len(w.Bytes))
	}
	if int64(len(w.Bytes)) < w.Size {
		tail = 0
	}
	w.Parts = nil
	for _, p := range []part{{'h', int32(head)}, {'p', int32(len(w.Bytes) - head - tail)}, {'t', int32(tail)}} {
		if p.size > 0 {
			w.Parts = append(w.Parts, p)
		}
	}
	w.Payload = w.Size - int64(head+tail)
}

// parse takes the header of a frame of RFC 6455, or more of its payload.
func (s *stream) parse(b []byte) int {
	if s.frame != nil {
		n := int(min(uint64(len(b)), s.left))
		s.add('p', b[:n])
		if s.left -= uint64(n); s.left == 0 {
			s.end()
		}
		return n
	}
	h, ok := modern.ParseHeader(b)
	if !ok || h.Opcode.Control() && h.Length <= modern.MaxControl && len(b) < h.Size+int(h.Length) {
		return 0
	}
	s.header(h, b)
	if s.left == 0 {
		s.end()
	}
	return h.Size
}

// header takes the header that b begins with. Of a control frame, b holds all.
func (s *stream) header(h modern.Header, b []byte) {
	s.left, s.fin = h.Length, h.Fin
	b, rest := b[:h.Size], b[h.Size:]
	if h.Opcode == modern.Continuation && s.message != nil {
		s.frame = s.message
		s.wire().Frames++
	} else {
		s.control = nil
		if h.Opcode.Control() {
			s.control = bytes.Clone(rest[:min(h.Length, uint64(len(rest)))])
			modern.Mask(s.control, s.control, h.Key)
		}
		s.begin(kindOf(h.Opcode))
	}
	key := len(b)
	if h.Masked {
		key -= len(h.Key)
	}
	s.add('h', b[:key])
	s.add('k', b[key:])
	switch {
	case h.RSV == 0x40 && s.conn.deflate:
		s.frame.note("compressed with permessage-deflate: shown as it is on the wire")
	case h.RSV != 0:
		s.frame.note("reserved bits are set: %s", fmt.Sprintf("%#02x", h.RSV))
	}
}

// begin begins a frame that is no continuation.
func (s *stream) begin(k kind) {
	s.frame = s.conn.rowFor(s, k)
	w := s.wire()
	if w == nil {
		w = &wire{Offset: s.offset}
		if s.side == client {
			s.frame.Client = w
		} else {
			s.frame.Backend = w
		}
	}
	w.Frames++
	if k.isMessage() {
		s.message = s.frame
	}
}

func (s *stream) wire() *wire { return s.frame.wire(s.side) }

func (s *stream) add(what byte, b []byte) {
	s.offset += int64(len(b))
	if len(b) > 0 {
		s.conn.grow(s.frame, s.wire().add(what, b))
	}
}

// end ends the frame under way.
func (s *stream) end() {
	r := s.frame
	s.frame = nil
	if r != s.message {
		s.conn.frameEnded(s, r)
	} else if s.legacy != nil || s.fin {
		s.message = nil
		s.conn.messageEnded(s, r)
	}
}
