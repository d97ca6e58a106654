package codec

import (
	"sync"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// keySources are shared by all connections, because an idle one needs none.
var keySources = sync.Pool{New: func() any { return new(modern.KeySource) }}

// Up turns the messages of a legacy peer into RFC 6455 frames, masked ones for a
// client. A message becomes one Text frame; with full set, a part of it becomes a
// fragment. Ill-formed UTF-8 is replaced by U+FFFD, frames of reserved types are
// dropped.
type Up struct {
	input
	keys       *modern.KeySource // of the current call of Transform; nil before the first frame
	server     bool              // the frames are a server's, not masked
	fragmented bool              // the first fragment of a message is out, its last is not
}

// NewUp returns a codec for a client of a legacy dialect, which counts in s. A
// message or a frame of a reserved type that is larger than its limit is a
// *legacy.FrameError; 0 is no limit.
func NewUp(d legacy.Dialect, maxMessage, maxSkip int64, s *Summary) *Up {
	u := &Up{input: newInput(d, maxMessage, maxSkip, s)}
	u.out = u
	return u
}

// NewServerUp returns a codec for a backend of a legacy dialect: Up as a server, whose
// frames are not masked.
func NewServerUp(d legacy.Dialect, maxMessage, maxSkip int64, s *Summary) *Up {
	u := NewUp(d, maxMessage, maxSkip, s)
	u.server = true
	return u
}

// key returns the masking key of the next frame.
func (u *Up) key() modern.Key {
	if u.keys == nil {
		u.keys = keySources.Get().(*modern.KeySource)
	}
	return u.keys.Next()
}

func (u *Up) done() {
	if u.keys != nil {
		keySources.Put(u.keys)
		u.keys = nil
	}
}

// MidMessage is always false: a control frame may stand between two fragments.
func (u *Up) MidMessage() bool { return false }

func (u *Up) write(dst []byte, tok legacy.Token) (n int, fits bool, err error) {
	size, valid := len(tok.Data), isUTF8(tok.Data)
	if !valid {
		size = repairedLen(tok.Data)
	}
	if len(dst) < modern.MaxHeader+size {
		return 0, false, nil
	}
	op := modern.Text
	if u.fragmented {
		op = modern.Continuation
	}
	var key modern.Key
	if u.server {
		n = len(modern.AppendServerHeader(dst[:0], tok.Last, op, uint64(size)))
	} else {
		key = u.key()
		n = len(modern.AppendHeader(dst[:0], tok.Last, op, uint64(size), key))
	}
	payload := dst[n : n+size]
	text := tok.Data
	if !valid {
		text = appendRepaired(payload[:0], text)
		u.summary.Repaired++
	}
	if u.server {
		copy(payload, text)
	} else {
		modern.Mask(payload, text, key)
	}
	u.fragmented = !tok.Last
	u.count(size, tok.Last)
	return n + size, true, nil
}
