package codec

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// wantRepaired is the oracle of appendRepaired: package utf8 knows what could
// still become a character.
func wantRepaired(p []byte) string {
	var b strings.Builder
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 {
			for size < len(p) && !utf8.FullRune(p[:size+1]) {
				size++
			}
		}
		b.WriteRune(r)
		p = p[size:]
	}
	return b.String()
}

// canBecomeUTF8 is the oracle of validator.feed: p is UTF-8, or would be
// without a character at its end that is not complete.
func canBecomeUTF8(p []byte) bool {
	if utf8.Valid(p) {
		return true
	}
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if cut := len(p) - n; utf8.Valid(p[:cut]) && !utf8.FullRune(p[cut:]) {
			return true
		}
	}
	return false
}

// checkText checks everything that text.go says about p.
func checkText(t testing.TB, p []byte) {
	t.Helper()
	want := wantRepaired(p)
	got := appendRepaired([]byte("x"), p)
	if string(got) != "x"+want || repairedLen(p) != len(want) {
		t.Errorf("%x: got %+q, length %d, want %+q", p, got[1:], repairedLen(p), want)
	}
	if !utf8.Valid(got) || len(want) > 3*len(p) || utf8.Valid(p) != (want == string(p)) {
		t.Errorf("%x: got %x", p, got[1:])
	}
	if isUTF8(p) != utf8.Valid(p) {
		t.Errorf("%x: UTF-8 %t", p, isUTF8(p))
	}
	checkValidator(t, p, p)
	checkValidator(t, p, slices.Collect(slices.Chunk(p, 1))...)
	for i := 1; i < len(p); i++ {
		checkValidator(t, p, p[:i], p[i:])
	}
}

// A byte that is not ASCII is seen wherever it is, in whatever is read at once.
func TestIsUTF8(t *testing.T) {
	for length := range 101 {
		p := bytes.Repeat([]byte{0x7f}, length)
		if !isUTF8(p) {
			t.Fatalf("%d bytes of ASCII are no UTF-8", length)
		}
		for at := range p {
			p[at] = 0x80
			if isUTF8(p) {
				t.Fatalf("80 at %d of %d bytes is UTF-8", at, length)
			}
			p[at] = 0x7f
		}
	}
}

// checkValidator feeds the pieces of p, until one is refused.
func checkValidator(t testing.TB, p []byte, pieces ...[]byte) {
	t.Helper()
	var v validator
	n := 0
	for _, piece := range pieces {
		n += len(piece)
		got, want := v.feed(piece), canBecomeUTF8(p[:n])
		if got != want {
			t.Errorf("%x: fed %x: got %v, want %v", p, p[:n], got, want)
		}
		if !got {
			return
		}
	}
	if got := v.whole(); got != utf8.Valid(p) {
		t.Errorf("%x: whole %v", p, got)
	}
}

// The examples of The Unicode Standard, section 3.9, tables 3-8 to 3-11, and
// what is not among them.
func TestText(t *testing.T) {
	const r = "\ufffd"
	for _, test := range []struct{ id, text, want string }{
		{"empty", "", ""},
		{"ascii", "a\x00\x7f", "a\x00\x7f"},
		{"characters", "\u00e9\u20ac\U0001f600\ufffd\ufeff\uffff\U0010ffff", "\u00e9\u20ac\U0001f600\ufffd\ufeff\uffff\U0010ffff"},
		{"table-3-8", "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", strings.Repeat(r, 8) + "A"},
		{"table-3-9", "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", strings.Repeat(r, 8) + "A"},
		{"table-3-10", "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", strings.Repeat(r, 5) + "A" + r + r + "B"},
		{"table-3-11", "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", strings.Repeat(r, 4) + "A"},
		{"leads", "\xc2 \xdf \xe0 \xef \xf0 \xf4 \xf5 \xff", strings.Repeat(r+" ", 7) + r},
		{"cut-by-lead", "\xf0\x9f\x98\xf0\x9f\x98\x80", r + "\U0001f600"},
		{"five-bytes", "\xf8\x88\x80\x80\x80", strings.Repeat(r, 5)},
	} {
		t.Run(test.id, func(t *testing.T) {
			if got := string(appendRepaired(nil, []byte(test.text))); got != test.want {
				t.Errorf("got %+q, want %+q", got, test.want)
			}
			checkText(t, []byte(test.text))
		})
	}
}

// Every sequence of up to 4 bytes from both sides of each limit in table 3-7
// of The Unicode Standard.
func TestTextBruteForce(t *testing.T) {
	limits := []byte("\x00\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff")
	for n := 1; n <= 4; n++ {
		p := make([]byte, n)
		for i := range pow(len(limits), n) {
			for j := range p {
				p[j] = limits[i%len(limits)]
				i /= len(limits)
			}
			checkText(t, p)
		}
		if t.Failed() {
			return
		}
	}
}

func pow(x, n int) int {
	p := 1
	for range n {
		p *= x
	}
	return p
}

// A validator is ready for the next text when one is whole.
func TestValidatorAgain(t *testing.T) {
	var v validator
	for _, text := range []string{"a", "", "\u20ac", "\U0001f600"} {
		for piece := range bytes.SplitSeq([]byte(text), nil) {
			if !v.feed(piece) {
				t.Fatalf("%q is refused", text)
			}
		}
		if !v.whole() {
			t.Fatalf("%q is not whole", text)
		}
	}
}
