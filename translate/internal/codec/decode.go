package codec

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// ErrBase64 ends a stream of Decode.
var ErrBase64 = errors.New("a message is not base64 (RFC 4648 section 4)")

// Decode is Up for a client that sends binary data as base64 text, which -75 and -76
// force it to: a message becomes a Binary frame of the data. The base64 is the standard
// one with padding and nothing between.
type Decode struct {
	Up
	carry   [4]byte // characters that do not make a group yet
	carried int
	padded  bool // the message has had its last group
}

// NewDecode is NewUp.
func NewDecode(d legacy.Dialect, maxMessage, maxSkip int64, s *Summary) *Decode {
	u := &Decode{Up: *NewUp(d, maxMessage, maxSkip, s)}
	u.out = u
	return u
}

func (u *Decode) write(dst []byte, tok legacy.Token) (n int, fits bool, err error) {
	if len(dst) < modern.MaxHeader+base64.StdEncoding.DecodedLen(len(tok.Data)+len(u.carry)) {
		return 0, false, nil
	}
	op := modern.Binary
	if u.fragmented {
		op = modern.Continuation
	}
	data, err := u.decode(dst[modern.MaxHeader:modern.MaxHeader], tok)
	if err != nil {
		return 0, true, err
	}
	key := u.key()
	n = len(modern.AppendHeader(dst[:0], tok.Last, op, uint64(len(data)), key))
	copy(dst[n:], data)
	payload := dst[n : n+len(data)]
	modern.Mask(payload, payload, key)
	u.fragmented = !tok.Last
	u.count(len(payload), tok.Last)
	return n + len(payload), true, nil
}

// decode appends what the groups of 4 characters mean that tok completes.
func (u *Decode) decode(dst []byte, tok legacy.Token) ([]byte, error) {
	text := tok.Data
	if bytes.ContainsAny(text, "\r\n") || u.padded && len(text) > 0 {
		return nil, ErrBase64
	}
	var err error
	if u.carried > 0 {
		n := copy(u.carry[u.carried:], text)
		text = text[n:]
		if u.carried += n; u.carried == len(u.carry) {
			dst, err = u.groups(dst, u.carry[:], len(text) > 0)
			u.carried = 0
		}
	}
	whole := len(text) / 4 * 4
	if err == nil {
		dst, err = u.groups(dst, text[:whole], len(text) > whole)
	}
	if whole < len(text) {
		u.carried = copy(u.carry[:], text[whole:])
	}
	if err != nil || tok.Last && u.carried > 0 {
		return nil, ErrBase64
	}
	if tok.Last {
		u.padded = false
	}
	return dst, nil
}

// groups appends what whole groups mean; after padding there may be no more.
func (u *Decode) groups(dst, text []byte, more bool) ([]byte, error) {
	if len(text) == 0 {
		return dst, nil
	}
	u.padded = text[len(text)-1] == '='
	if u.padded && more {
		return nil, ErrBase64
	}
	return base64.StdEncoding.Strict().AppendDecode(dst, text)
}
