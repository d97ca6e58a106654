package modern

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// An Opcode is the type of a frame (RFC 6455 section 5.2).
type Opcode uint8

// The opcodes; the others are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xa
)

// Control reports whether the opcode is that of a control frame.
func (o Opcode) Control() bool { return o&0x8 != 0 }

const (
	finBit  = 0x80
	rsvBits = 0x70
	maskBit = 0x80

	// MaxHeader is the size of the largest header: 2 bytes, a 64-bit length, a key.
	MaxHeader = 14
	// MaxControl is the largest payload of a control frame.
	MaxControl = 125
)

// A Header is the header of a frame.
type Header struct {
	Fin    bool
	RSV    byte // the three reserved bits, in place
	Opcode Opcode
	Masked bool
	Key    Key
	Length uint64
	Size   int // bytes of the header itself
}

// ParseHeader reads a header; ok is false if src does not hold all of it.
func ParseHeader(src []byte) (h Header, ok bool) {
	if len(src) < 2 {
		return h, false
	}
	h = Header{
		Fin: src[0]&finBit != 0, RSV: src[0] & rsvBits, Opcode: Opcode(src[0] & 0x0f),
		Masked: src[1]&maskBit != 0, Length: uint64(src[1] &^ maskBit), Size: 2,
	}
	switch h.Length {
	case 126:
		h.Size += 2
	case 127:
		h.Size += 8
	}
	length := src[2:min(h.Size, len(src))]
	if h.Masked {
		h.Size += len(h.Key)
	}
	if len(src) < h.Size {
		return h, false
	}
	switch len(length) {
	case 2:
		h.Length = uint64(binary.BigEndian.Uint16(length))
	case 8:
		h.Length = binary.BigEndian.Uint64(length)
	}
	if h.Masked {
		copy(h.Key[:], src[h.Size-len(h.Key):])
	}
	return h, true
}

// A Token is what a Scanner finds.
type Token struct {
	Kind   Kind
	Opcode Opcode // Text or Binary of a message, or the control frame's own
	Data   []byte // unmasked, part of the scanned bytes
	Last   bool   // Data ends the message
}

// A Kind says what a Token is.
type Kind uint8

// The kinds of a Token.
const (
	More    Kind = iota // nothing more can be told from these bytes; n of Scan may be over 0
	Message             // a piece of a message, perhaps empty
	Control             // a whole control frame
)

// A Scanner finds messages and control frames in what an RFC 6455 peer sends,
// however the bytes are cut. It checks everything that section 5 asks of a
// frame, except that a text is UTF-8. It allocates nothing, keeps none of the
// bytes and trusts no length. The zero value reads from a server, strictly and
// without limit.
type Scanner struct {
	Server     bool  // be the server: frames must be masked; otherwise they must not
	Lenient    bool  // accept long forms of lengths and any close code, as versions 7 and 8 need
	MaxMessage int64 // bytes of one message; 0 = unlimited

	message Opcode // of the message under way; 0 between messages
	total   int64  // its bytes so far
	head    Header // of the data frame under way
	left    uint64 // of its payload
	offset  int64
	err     *ProtocolError
}

// AtBoundary reports whether the peer is between two messages.
func (s *Scanner) AtBoundary() bool { return s.message == 0 && s.left == 0 }

// Offset is the number of bytes taken so far.
func (s *Scanner) Offset() int64 { return s.offset }

// Scan returns the next token and how many bytes of src it took. Payload of
// messages is taken as it comes; a header and a control frame are taken whole,
// so that up to MaxHeader + MaxControl - 1 bytes may be left untaken: Scan then
// returns More and wants to see them again with more behind them. More may also
// come with bytes taken, those of a header whose payload is still to come: n
// counts whatever the Kind is.
//
// Masked payload is unmasked in place. A *ProtocolError is final: Scan repeats
// it.
func (s *Scanner) Scan(src []byte) (tok Token, n int, err error) {
	if s.err != nil {
		return Token{}, 0, s.err
	}
	if tok, n := s.short(src); n > 0 {
		return tok, n, nil
	}
	if s.left == 0 {
		h, ok := ParseHeader(src)
		if !ok {
			return Token{}, 0, nil
		}
		if err := s.check(h); err != nil {
			return Token{}, 0, err
		}
		if h.Opcode.Control() {
			return s.control(h, src)
		}
		s.begin(h)
		n = h.Size
	}
	piece := src[n:min(uint64(len(src)), uint64(n)+s.left)]
	if len(piece) == 0 && s.left > 0 {
		return Token{}, n, nil
	}
	return s.piece(piece), n + len(piece), nil
}

// short takes a whole text message of at most 125 bytes, which most frames are and about
// which there is nothing to check; n is 0 for any other.
func (s *Scanner) short(src []byte) (tok Token, n int) {
	if s.left > 0 || s.message != 0 || len(src) < 2 || src[0] != finBit|byte(Text) {
		return tok, 0
	}
	head, length := 2, int(src[1]) // with a wrong mask bit, of no short frame
	if s.Server {
		head, length = 6, length^maskBit
	}
	n = head + length
	if length > MaxControl || len(src) < n || s.MaxMessage > 0 && int64(length) > s.MaxMessage {
		return tok, 0
	}
	payload := src[head:n]
	if s.Server {
		Mask(payload, payload, Key(src[2:6]))
	}
	s.offset += int64(n)
	return Token{Kind: Message, Opcode: Text, Data: payload, Last: true}, n
}

func (s *Scanner) begin(h Header) {
	if h.Opcode != Continuation {
		s.message, s.total = h.Opcode, 0
	}
	s.total += int64(h.Length)
	s.head, s.left = h, h.Length
	s.offset += int64(h.Size)
}

func (s *Scanner) piece(piece []byte) Token {
	if s.head.Masked {
		Mask(piece, piece, s.head.Key)
		s.head.Key = s.head.Key.rotate(len(piece))
	}
	s.left -= uint64(len(piece))
	s.offset += int64(len(piece))
	tok := Token{Kind: Message, Opcode: s.message, Data: piece, Last: s.head.Fin && s.left == 0}
	if tok.Last {
		s.message = 0
	}
	return tok
}

func (s *Scanner) control(h Header, src []byte) (Token, int, error) {
	n := h.Size + int(h.Length)
	if len(src) < n {
		return Token{}, 0, nil
	}
	payload := src[h.Size:n]
	if h.Masked {
		Mask(payload, payload, h.Key)
	}
	if h.Opcode == Close {
		if err := s.checkClose(payload); err != nil {
			return Token{}, 0, err
		}
	}
	s.offset += int64(n)
	return Token{Kind: Control, Opcode: h.Opcode, Data: payload, Last: true}, n, nil
}

// check is section 5 as far as it can be told from a header.
func (s *Scanner) check(h Header) error {
	switch {
	case h.RSV != 0: // 5.2: MUST be 0 unless an extension is negotiated
		return s.fail(ReservedBits, ProtocolFailure)
	case h.Opcode > Binary && h.Opcode < Close, h.Opcode > Pong: // 5.2
		return s.fail(ReservedOpcode, ProtocolFailure)
	case h.Masked != s.Server: // 5.1
		return s.fail(WrongMask, ProtocolFailure)
	case h.Opcode.Control() && !h.Fin: // 5.5
		return s.fail(FragmentedControl, ProtocolFailure)
	case h.Opcode.Control() && h.Length > MaxControl: // 5.5
		return s.fail(ControlTooLong, ProtocolFailure)
	case h.Opcode == Continuation && s.message == 0: // 5.4
		return s.fail(UnexpectedContinuation, ProtocolFailure)
	case !h.Opcode.Control() && h.Opcode != Continuation && s.message != 0: // 5.4
		return s.fail(ExpectedContinuation, ProtocolFailure)
	case h.Length > math.MaxInt64: // 5.2
		return s.fail(LengthMSB, ProtocolFailure)
	case !s.Lenient && h.longForm(): // 5.2
		return s.fail(NonMinimalLength, ProtocolFailure)
	case !h.Opcode.Control() && s.tooBig(h):
		return s.fail(MessageTooBig, TooBig)
	}
	return nil
}

// longForm reports whether the length would fit a shorter header.
func (h Header) longForm() bool {
	size := h.Size
	if h.Masked {
		size -= len(h.Key)
	}
	return size == 4 && h.Length < 126 || size == 10 && h.Length < 1<<16
}

func (s *Scanner) tooBig(h Header) bool {
	total := s.total
	if h.Opcode != Continuation {
		total = 0
	}
	limit := s.MaxMessage
	if limit == 0 {
		limit = math.MaxInt64
	}
	return h.Length > uint64(limit-total)
}

func (s *Scanner) checkClose(payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	if len(payload) == 1 {
		return s.fail(CloseOneByte, ProtocolFailure)
	}
	if code, _ := ParseClose(payload); !s.Lenient && !Sendable(code) {
		return s.fail(CloseCode, ProtocolFailure)
	}
	if !utf8.Valid(payload[2:]) {
		return s.fail(CloseReasonUTF8, InvalidPayload)
	}
	return nil
}

func (s *Scanner) fail(reason string, code uint16) error {
	s.err = &ProtocolError{Code: code, Offset: s.offset, reason: reason}
	return s.err
}
