package codec

import "github.com/ws76/ws76/legacy"

// Hixie passes the messages of a -75 peer to a -76 peer, or the other way round: of the
// frames the two drafts differ in FF 00 alone. A message begins as soon as its first
// byte is there. Ill-formed UTF-8 is replaced by U+FFFD, frames of reserved types are
// dropped, among them the FF 00 of -75, which says nothing.
type Hixie struct {
	input
	open bool // 00 is out, FF is not
}

// NewHixie returns a codec for a peer of a legacy dialect, which counts in s. The
// limits are those of NewUp.
func NewHixie(d legacy.Dialect, maxMessage, maxSkip int64, s *Summary) *Hixie {
	h := &Hixie{input: newInput(d, maxMessage, maxSkip, s)}
	h.out, h.eager = h, true
	return h
}

// MidMessage reports whether what was given ends inside a message.
func (h *Hixie) MidMessage() bool { return h.open }

func (h *Hixie) write(dst []byte, tok legacy.Token) (n int, fits bool, err error) {
	size, valid := len(tok.Data), isUTF8(tok.Data)
	if !valid {
		size = repairedLen(tok.Data)
	}
	if len(dst) < size+2 {
		return 0, false, nil
	}
	out := dst[:0]
	if !h.open {
		out = append(out, 0x00)
	}
	if valid {
		out = append(out, tok.Data...)
	} else {
		out = appendRepaired(out, tok.Data)
		h.summary.Repaired++
	}
	if tok.Last {
		out = append(out, 0xff)
	}
	h.open = !tok.Last
	h.count(size, tok.Last)
	return len(out), true, nil
}

func (h *Hixie) done() {}
