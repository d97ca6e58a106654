package codec

import (
	"encoding/binary"
	"unicode/utf8"
)

// replacement is U+FFFD.
const replacement = "\xef\xbf\xbd"

// leader returns what the first byte of a character says about it: how many bytes
// it has, and the range of the second (The Unicode Standard, table 3-7). For a byte
// that cannot begin a character, size is 1.
func leader(b byte) (size int, lo, hi byte) {
	switch {
	case b < 0xc2 || b > 0xf4:
		return 1, 0, 0
	case b < 0xe0:
		return 2, 0x80, 0xbf
	case b == 0xe0:
		return 3, 0xa0, 0xbf
	case b == 0xed:
		return 3, 0x80, 0x9f
	case b < 0xf0:
		return 3, 0x80, 0xbf
	case b == 0xf0:
		return 4, 0x90, 0xbf
	case b == 0xf4:
		return 4, 0x80, 0x8f
	}
	return 4, 0x80, 0xbf
}

// maximalSubpart returns how many bytes at the start of p one U+FFFD replaces, where
// p does not begin with a character: those that could have begun one (The Unicode
// Standard, section 3.9, as browsers do).
func maximalSubpart(p []byte) int {
	size, lo, hi := leader(p[0])
	n := 1
	for n < size && n < len(p) && lo <= p[n] && p[n] <= hi {
		lo, hi = 0x80, 0xbf
		n++
	}
	return n
}

// appendRepaired appends p with every maximal subpart of an ill-formed
// sequence replaced by U+FFFD. It appends at most 3 x len(p) bytes.
func appendRepaired(dst, p []byte) []byte {
	for len(p) > 0 {
		if r, n := utf8.DecodeRune(p); r != utf8.RuneError || n > 1 {
			dst, p = append(dst, p[:n]...), p[n:]
			continue
		}
		dst, p = append(dst, replacement...), p[maximalSubpart(p):]
	}
	return dst
}

// repairedLen returns how many bytes appendRepaired appends.
func repairedLen(p []byte) (size int) {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			size += len(replacement)
			n = maximalSubpart(p)
		} else {
			size += n
		}
		p = p[n:]
	}
	return size
}

// isUTF8 reports whether p is well-formed. Most text is ASCII, of which it looks at 32
// bytes at a time, where utf8.Valid looks at eight.
func isUTF8(p []byte) bool {
	var seen uint64
	rest := p
	for ; len(rest) >= 32; rest = rest[32:] {
		seen |= binary.LittleEndian.Uint64(rest) | binary.LittleEndian.Uint64(rest[8:]) |
			binary.LittleEndian.Uint64(rest[16:]) | binary.LittleEndian.Uint64(rest[24:])
	}
	for _, b := range rest {
		seen |= uint64(b)
	}
	return seen&0x8080808080808080 == 0 || utf8.Valid(p)
}

// A validator checks that a text is UTF-8, piece by piece, wherever it is cut.
type validator struct {
	missing int8 // bytes of a character that are still to come
	lo, hi  byte // the range of the next of them
}

// feed reports whether the text can still be UTF-8 with p at its end.
func (v *validator) feed(p []byte) bool {
	if v.missing == 0 && isUTF8(p) {
		return true
	}
	for v.missing > 0 && len(p) > 0 {
		if p[0] < v.lo || p[0] > v.hi {
			return false
		}
		v.missing--
		v.lo, v.hi = 0x80, 0xbf
		p = p[1:]
	}
	whole := len(p) - incomplete(p)
	if !isUTF8(p[:whole]) {
		return false
	}
	if p = p[whole:]; len(p) > 0 {
		size, lo, hi := leader(p[0])
		v.missing, v.lo, v.hi = int8(size-1), lo, hi
		return v.feed(p[1:])
	}
	return true
}

// whole reports whether the text ends between two characters.
func (v *validator) whole() bool { return v.missing == 0 }

// incomplete returns how many bytes at the end of p begin a character and do not
// complete it.
func incomplete(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if size, _, _ := leader(b); size > n {
				return n
			}
			break
		}
	}
	return 0
}
