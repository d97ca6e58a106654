package codec

import (
	"io"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// An input takes the frames of a legacy peer. It drops those of reserved types, and
// counts.
type input struct {
	out     output // the codec itself
	scan    legacy.Scanner
	summary *Summary
	eager   bool // pieces of messages leave as soon as they are there

	messages int64
	bytes    int64 // of messages, as the other side gets them
}

// An output writes a message, or a piece of one, to dst if it fits. done is called at the end
// of each Transform.
type output interface {
	write(dst []byte, tok legacy.Token) (n int, fits bool, err error)
	done()
}

func newInput(d legacy.Dialect, maxMessage, maxSkip int64, s *Summary) input {
	return input{scan: legacy.Scanner{Dialect: d, MaxMessage: maxMessage, MaxSkip: maxSkip}, summary: s}
}

// AtBoundary reports whether what was taken ends between two frames.
func (in *input) AtBoundary() bool { return in.scan.AtBoundary() }

// Counts returns how many messages, and bytes of messages, were given.
func (in *input) Counts() (messages, bytes int64) { return in.messages, in.bytes }

// count counts a message, or a piece of one, as the other side gets it.
func (in *input) count(size int, last bool) {
	in.bytes += int64(size)
	if last {
		in.messages++
	}
}

// Transform follows the package's contract. It returns ErrClose at FF 00 of -76, and never a
// Ping.
func (in *input) Transform(dst, src []byte, full bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) && err == nil {
		tok, n, broken := in.scan.Scan(src[nSrc:], in.eager || full && nSrc == 0)
		m := 0
		switch {
		case broken != nil:
			err = broken
		case tok.Kind == legacy.More:
			in.out.done()
			return nDst, nSrc + n, nil
		case tok.Kind == legacy.Close:
			err = ErrClose
		case tok.Kind == legacy.Skip:
			in.summary.Skipped++
		case tok.Kind == legacy.Text:
			var fits bool
			if m, fits, err = in.out.write(room(dst, src, nDst, nSrc+n), tok); fits {
				break
			}
			in.scan.Undo()
			if nDst > 0 {
				n, err = 0, io.ErrShortBuffer
				break
			}
			tok, n, _ = in.scan.Scan(sure(dst, src, nSrc), true)
			m, _, err = in.out.write(room(dst, src, 0, nSrc+n), tok)
		}
		nDst, nSrc = nDst+m, nSrc+n
	}
	in.out.done()
	return nDst, nSrc, err
}

// room returns what a codec may fill of dst, of which it has filled nDst bytes, so that
// src[nSrc:] still fits behind it. A shorter dst than the contract's may be filled to its
// end.
func room(dst, src []byte, nDst, nSrc int) []byte {
	if len(dst) < len(src)+MinRoom {
		return dst[nDst:]
	}
	return dst[nDst : len(dst)-(len(src)-nSrc)]
}

// sure returns the begin of src[nSrc:] that fits an empty dst whatever is in it:
// ill-formed text grows up to threefold, and what is taken of src makes room too.
func sure(dst, src []byte, nSrc int) []byte {
	n := len(dst) / 4
	if free := room(dst, src, 0, nSrc); len(free) < len(dst) {
		n = (len(free) - modern.MaxHeader) / 2
	}
	return src[nSrc : nSrc+n]
}
