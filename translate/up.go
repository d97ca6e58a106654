package translate

import (
	"errors"
	"sync"
	"unicode/utf8"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// What a transducer returns besides its peer's errors.
var (
	errShortDst    = errors.New("translate: dst is full")
	errClientClose = errors.New("translate: closing handshake from the client")
)

// keys are shared by all connections: idle ones need none.
var keys = sync.Pool{New: func() any { return new(modern.Keys) }}

// up turns what a legacy client sends into masked RFC 6455 frames. A message
// becomes one Text frame; one that is larger than src can hold becomes
// fragments. Ill-formed UTF-8 is repaired, frames of reserved types are
// dropped.
type up struct {
	scan legacy.Scanner
	keys *modern.Keys // of the call of transform under way
	open bool         // the first fragment of a message is out, its last is not

	messages int64
	bytes    int64 // of messages, as the backend gets them
	skipped  int64 // frames dropped
	repaired int64 // messages or fragments with U+FFFD put in
}

// transform takes from src and gives to dst, whose room is at least len(src) +
// modern.MaxHeader, and 4 * modern.MaxHeader. What it leaves of src is a message
// that is not finished: it wants it again with more behind it, or with full set
// when src cannot hold more. With errShortDst it wants dst emptied first.
// Another error is final.
func (u *up) transform(dst, src []byte, full bool) (nDst, nSrc int, err error) {
	u.keys = keys.Get().(*modern.Keys)
	defer keys.Put(u.keys)
	for nSrc < len(src) {
		tok, n, err := u.scan.Scan(src[nSrc:], full && nSrc == 0)
		if err != nil || tok.Kind == legacy.More {
			return nDst, nSrc + n, err
		}
		switch tok.Kind {
		case legacy.Close:
			return nDst, nSrc + n, errClientClose
		case legacy.Skip:
			u.skipped++
		case legacy.Text:
			m, fits := u.frame(dst[nDst:], tok)
			if !fits {
				u.scan.Undo()
				if nDst > 0 {
					return nDst, nSrc, errShortDst
				}
				// Ill-formed text grows up to threefold: a quarter of dst
				// is sure to fit.
				tok, n, _ = u.scan.Scan(src[nSrc:nSrc+len(dst)/4], true)
				m, _ = u.frame(dst, tok)
			}
			nDst += m
		}
		nSrc += n
	}
	return nDst, nSrc, nil
}

func (u *up) between() bool                   { return u.scan.Idle() }
func (u *up) unfinished() bool                { return false } // control frames may go between fragments
func (u *up) counts() (messages, bytes int64) { return u.messages, u.bytes }

// frame writes a message, or a piece of one, to dst if it fits.
func (u *up) frame(dst []byte, tok legacy.Token) (n int, fits bool) {
	size, valid := len(tok.Data), utf8.Valid(tok.Data)
	if !valid {
		size = repairedLen(tok.Data)
	}
	if len(dst) < modern.MaxHeader+size {
		return 0, false
	}
	op := modern.Text
	if u.open {
		op = modern.Continuation
	}
	key := u.keys.Next()
	n = len(modern.AppendHeader(dst[:0], tok.Last, op, uint64(size), key))
	payload := dst[n : n+size]
	if valid {
		modern.Mask(payload, tok.Data, key)
	} else {
		appendRepaired(payload[:0], tok.Data)
		modern.Mask(payload, payload, key)
		u.repaired++
	}
	u.bytes += int64(size)
	u.open = !tok.Last
	if tok.Last {
		u.messages++
	}
	return n + size, true
}
