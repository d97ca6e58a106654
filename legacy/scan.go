package legacy

import (
	"bytes"
	"math"
	"unicode/utf8"
)

const (
	textFrame = 0x00 // begins a message
	frameEnd  = 0xff // ends a frame of type 0x00 to 0x7F
)

// A Token is what a Scanner finds.
type Token struct {
	Kind Kind
	// Data is a piece of a message, part of the scanned bytes. It may be
	// ill-formed UTF-8, but no character is cut in two that could be whole.
	Data []byte
	Last bool // Data ends the message
}

// A Kind says what a Token is.
type Kind uint8

// The kinds of a Token.
const (
	More  Kind = iota // nothing more can be told from these bytes
	Text              // a message, or a piece of one
	Skip              // a frame of a reserved type, to be discarded; see Skipped
	Close             // FF 00 from a -76 peer; what follows does not count
)

// A Scanner finds messages in what a -75 or -76 peer sends, however the bytes
// are cut (-76 section 5.3). The zero value scans -75 without limits. It
// allocates nothing, keeps none of the bytes and trusts no length.
type Scanner struct {
	Dialect    Dialect
	MaxMessage int64 // bytes of one message; 0 = unlimited
	MaxSkip    int64 // bytes of one frame that is discarded; 0 = unlimited

	state  scanState
	kind   byte  // type of the frame under way
	count  int64 // bytes of that frame so far; in stateLength and stateSkip, its length
	left   int64 // in stateSkip, bytes to come
	sought int   // bytes of the unfinished message that have no frameEnd
	offset int64 // bytes taken since the start
	err    *FrameError

	before struct { // the last Text, for Undo
		state  scanState
		count  int64
		offset int64
	}
}

type scanState uint8

const (
	stateBoundary scanState = iota
	stateText               // inside 00 .. FF
	stateOther              // inside 01..7F .. FF
	stateLength             // after 80..FF, inside its length
	stateSkip               // inside the bytes of a length-prefixed frame
	stateClosed
)

// AtBoundary reports whether what was taken so far ends between two frames.
func (s *Scanner) AtBoundary() bool { return s.state == stateBoundary }

// Offset is the number of bytes taken so far.
func (s *Scanner) Offset() int64 { return s.offset }

// Skipped describes the frame of a Skip, until the next Scan: its type, and its
// bytes without type, length and 0xFF.
func (s *Scanner) Skipped() (kind byte, length int64) { return s.kind, s.count }

// Undo takes the last Scan back, which must have returned a Text: the same
// bytes are to be scanned again.
func (s *Scanner) Undo() {
	s.state, s.count, s.offset = s.before.state, s.before.count, s.before.offset
}

// Scan returns the next token and how many bytes of src it took. With flush
// unset it leaves an unfinished message untaken, returns More, and wants to see
// the same bytes again with more behind them: so a message is one token if
// src has room for it. With flush set it returns what there is, as a Text that
// is not Last. Frames that are discarded are taken as they come.
//
// A *FrameError is final: Scan repeats it. After Close, Scan takes everything
// and finds nothing.
func (s *Scanner) Scan(src []byte, flush bool) (tok Token, n int, err error) {
	if s.err != nil {
		return Token{}, 0, s.err
	}
	for n < len(src) {
		var m int
		switch s.state {
		case stateBoundary:
			if src[n] == textFrame {
				s.count = 0
				tok, m = s.text(src[n:], 1, flush)
			} else {
				m = s.begin(src[n])
			}
		case stateText:
			tok, m = s.text(src[n:], 0, flush)
		case stateOther:
			tok, m = s.other(src[n:])
		case stateLength:
			tok, m = s.length(src[n])
		case stateSkip:
			tok, m = s.skip(src[n:])
		case stateClosed:
			m = len(src) - n
		}
		n += m
		s.offset += int64(m)
		if s.err != nil {
			return Token{}, n, s.err
		}
		if tok.Kind != More || m == 0 {
			break
		}
	}
	return tok, n, nil
}

// text takes a message whose payload starts at src[start:].
func (s *Scanner) text(src []byte, start int, flush bool) (Token, int) {
	payload := src[start:]
	end := bytes.IndexByte(payload[min(s.sought, len(payload)):], frameEnd)
	if end >= 0 {
		end += s.sought
	}
	size := end
	if end < 0 {
		size = len(payload)
	}
	if s.MaxMessage > 0 && s.count+int64(size) > s.MaxMessage {
		return s.fail(MessageTooBig, start+int(s.MaxMessage-s.count))
	}
	s.before.state, s.before.count, s.before.offset = s.state, s.count, s.offset
	if end >= 0 {
		s.state, s.sought = stateBoundary, 0
		return Token{Kind: Text, Data: payload[:end], Last: true}, start + end + 1
	}
	if !flush {
		s.sought = size
		return Token{}, 0
	}
	if size -= cutRune(payload); size == 0 {
		return Token{}, 0
	}
	s.state, s.sought = stateText, 0
	s.count += int64(size)
	return Token{Kind: Text, Data: payload[:size]}, start + size
}

// cutRune is how many bytes at the end of p begin a character whose rest may
// still come.
func cutRune(p []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if utf8.RuneStart(p[len(p)-i]) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return i
			}
			break
		}
	}
	return 0
}

func (s *Scanner) begin(kind byte) int {
	s.kind, s.count = kind, 0
	s.state = stateOther
	if kind >= 0x80 {
		s.state = stateLength
	}
	return 1
}

func (s *Scanner) other(src []byte) (Token, int) {
	end := bytes.IndexByte(src, frameEnd)
	size := end
	if end < 0 {
		size = len(src)
	}
	if s.MaxSkip > 0 && s.count+int64(size) > s.MaxSkip {
		return s.fail(SkipTooBig, int(s.MaxSkip-s.count))
	}
	s.count += int64(size)
	if end < 0 {
		return Token{}, size
	}
	return s.skipped(), end + 1
}

func (s *Scanner) length(b byte) (Token, int) {
	if s.count > math.MaxInt64>>7 {
		return s.fail(LengthOverflow, 0)
	}
	s.count = s.count<<7 | int64(b&0x7f)
	switch {
	case s.MaxSkip > 0 && s.count > s.MaxSkip:
		return s.fail(SkipTooBig, 0)
	case b >= 0x80:
		return Token{}, 1
	case s.count > 0:
		s.state, s.left = stateSkip, s.count
		return Token{}, 1
	case s.kind == 0xff && s.Dialect == Hixie76:
		s.state = stateClosed
		return Token{Kind: Close}, 1
	}
	return s.skipped(), 1
}

func (s *Scanner) skip(src []byte) (Token, int) {
	n := min(s.left, int64(len(src)))
	if s.left -= n; s.left > 0 {
		return Token{}, int(n)
	}
	return s.skipped(), int(n)
}

func (s *Scanner) skipped() Token {
	s.state = stateBoundary
	return Token{Kind: Skip}
}

// fail ends the stream at the byte that is n bytes further on.
func (s *Scanner) fail(reason string, n int) (Token, int) {
	s.err = &FrameError{Offset: s.offset + int64(n), reason: reason}
	return Token{}, 0
}
