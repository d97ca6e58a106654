package codec

import (
	"encoding/binary"

	"github.com/ws76/ws76/modern"
)

// Adapt passes on the frames of a version 7 or 8 client and corrects the two things
// that RFC 6455 forbids: lengths that are not in their shortest form (Firefox 6 to 8
// with 65535 bytes), and close codes that must not be sent any more. It leaves
// everything else for the backend to judge. Its output is never longer than its
// input.
type Adapt struct {
	left  uint64 // payload of the current frame that is still to come
	walk  Walk   // over what was given
	bytes int64
}

// NewAdapt returns a codec for a client, which notes in s who closed.
func NewAdapt(s *Summary) *Adapt { return &Adapt{walk: Walk{summary: s}} }

// Transform follows the package's contract. It returns no error.
func (a *Adapt) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if a.left == 0 {
			n, m := a.header(dst[nDst:], src[nSrc:])
			if n == 0 {
				break
			}
			nSrc, nDst = nSrc+n, nDst+m
			continue
		}
		n := copy(dst[nDst:], src[nSrc:nSrc+int(min(a.left, uint64(len(src)-nSrc)))])
		a.left -= uint64(n)
		nSrc, nDst = nSrc+n, nDst+n
	}
	a.walk.Pass(dst[:nDst])
	a.bytes += int64(nDst)
	return nDst, nSrc, nil
}

// AtBoundary reports whether what was taken ends between two frames.
func (a *Adapt) AtBoundary() bool { return a.left == 0 }

// MidMessage is always false: the frames are the client's own.
func (a *Adapt) MidMessage() bool { return false }

// Counts returns how many messages, and bytes with headers, were given.
func (a *Adapt) Counts() (messages, bytes int64) { return a.walk.messages, a.bytes }

// header takes a header, and the whole of a Close frame; n is 0 if src does not
// hold all of it.
func (a *Adapt) header(dst, src []byte) (n, m int) {
	h, ok := modern.ParseHeader(src)
	if !ok {
		return 0, 0
	}
	if !h.Masked || h.RSV != 0 {
		m = copy(dst, src[:h.Size]) // the backend will refuse it
		a.left = h.Length
		return h.Size, m
	}
	m = len(modern.AppendHeader(dst[:0], h.Fin, h.Opcode, h.Length, h.Key))
	if h.Opcode != modern.Close || h.Length < 2 || h.Length > modern.MaxControl {
		a.left = h.Length
		return h.Size, m
	}
	end := h.Size + int(h.Length)
	if len(src) < end {
		return 0, 0
	}
	payload := dst[m : m+copy(dst[m:], src[h.Size:end])]
	var code [2]byte
	modern.Mask(code[:], payload[:2], h.Key)
	binary.BigEndian.PutUint16(code[:], sendable(binary.BigEndian.Uint16(code[:])))
	modern.Mask(payload[:2], code[:], h.Key)
	return end, m + len(payload)
}

// sendable returns what a close code of a version 7 or 8 client means in RFC 6455.
func sendable(code uint16) uint16 {
	switch {
	case modern.Sendable(code):
		return code
	case code == 1004: // too large, until hybi-10
		return modern.TooBig
	case code == 1006: // Firefox 7 after a timeout
		return modern.GoingAway
	}
	return modern.ProtocolFailure
}
