//go:build !race

// With the race detector a sync.Pool forgets at random, so allocations say nothing.

package codec

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A stream brings the same bytes again and again, in pieces of readSize. dst is
// emptied after each call.
type stream struct {
	tr       transformer
	dst, src []byte
}

func newStream(tr transformer, src []byte) *stream {
	return &stream{tr, make([]byte, bufferSize), src}
}

// pass carries the bytes once.
func (s *stream) pass(tb testing.TB) {
	for src := s.src; len(src) > 0; {
		part := src[:min(readSize, len(src))]
		nDst, nSrc, err := s.tr.Transform(s.dst, part, len(part) == readSize)
		if err != nil && err != io.ErrShortBuffer || nDst+nSrc == 0 {
			tb.Fatalf("got %d, %d, %v", nDst, nSrc, err)
		}
		src = src[nSrc:]
	}
}

func upStream(text []byte) *stream {
	return newStream(newUp(legacy.Hixie76, 0, 0), legacy.AppendText(nil, text))
}

func downStream(op modern.Opcode, text []byte) *stream {
	return newStream(newDown(0, BinaryBase64), fromServer(true, op, text))
}

func TestCodecsAllocateNothing(t *testing.T) {
	for _, n := range []int{0, 32, 1 << 10, 1 << 20} {
		ill := legacy.AppendText(nil, bytes.Repeat([]byte{0x80}, n))
		for id, s := range map[string]*stream{
			"up":            upStream(message(n, false)),
			"up-utf8":       upStream(message(n, true)),
			"up-ill-formed": newStream(newUp(legacy.Hixie76, 0, 0), ill),
			"up-reserved":   newStream(newUp(legacy.Hixie76, 0, 0), append([]byte{0x01}, ill[1:]...)),
			"down":          downStream(modern.Text, message(n, false)),
			"down-utf8":     downStream(modern.Text, message(n, true)),
			"down-base64":   downStream(modern.Binary, message(n, false)),
		} {
			t.Run(fmt.Sprintf("%s-%d", id, n), func(t *testing.T) {
				if got := testing.AllocsPerRun(10, func() { s.pass(t) }); got != 0 {
					t.Errorf("got %v allocations, want 0", got)
				}
			})
		}
	}
}

// A length that is announced is only counted down.
func TestHostileLengths(t *testing.T) {
	const largest = "\x7f\xff\xff\xff\xff\xff\xff\xff" // 2^63-1
	for _, test := range []struct {
		id, src string
		fresh   func() transformer
	}{
		{"legacy", "\x80\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc", func() transformer { return newUp(legacy.Hixie76, 0, 0) }},
		{"modern", "\x81\x7f" + largest + "abc", func() transformer { return newDown(0, BinaryClose) }},
		{"modern-base64", "\x82\x7f" + largest + "abc", func() transformer { return newDown(0, BinaryBase64) }},
		{"modern-fragment", "\x01\x00\x00\x7f" + largest + "abc", func() transformer { return newDown(0, BinaryClose) }},
	} {
		t.Run(test.id, func(t *testing.T) {
			const runs = 50
			dst, src := make([]byte, 2*MinRoom), []byte(test.src)
			var all []transformer
			for range runs + 1 { // AllocsPerRun warms up
				all = append(all, test.fresh())
			}
			if got := testing.AllocsPerRun(runs, func() {
				if _, nSrc, err := all[0].Transform(dst, src, false); nSrc != len(src) || err != nil {
					t.Errorf("got %d taken, %v, want %d", nSrc, err, len(src))
				}
				all = all[1:]
			}); got != 0 {
				t.Errorf("got %v allocations, want 0", got)
			}
		})
	}
}

// The smallest messages there are cost no more than their bytes, and all
// arrive.
func TestTenMillionEmptyMessages(t *testing.T) {
	const messages = 10_000_000
	row := messages / 1000
	for id, s := range map[string]*stream{
		"up":   newStream(newUp(legacy.Hixie76, 0, 0), bytes.Repeat([]byte{0x00, 0xff}, row)),
		"down": newStream(newDown(0, BinaryClose), bytes.Repeat([]byte{0x81, 0x00}, row)),
	} {
		t.Run(id, func(t *testing.T) {
			for range messages / row {
				s.pass(t)
			}
			if got, size := s.tr.Counts(); got != messages || size != 0 {
				t.Errorf("got %d messages of %d bytes, want %d of 0", got, size, messages)
			}
		})
	}
}

func benchmark(b *testing.B, fresh func(text []byte) *stream) {
	for _, n := range []int{32, 1 << 10, 64 << 10} {
		for _, utf8 := range []bool{false, true} {
			kind := map[bool]string{false: "ascii", true: "utf8"}[utf8]
			b.Run(fmt.Sprintf("%d-%s", n, kind), func(b *testing.B) {
				s := fresh(message(n, utf8))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					s.pass(b)
				}
			})
		}
	}
}

func BenchmarkUp(b *testing.B) { benchmark(b, upStream) }

func BenchmarkDown(b *testing.B) {
	benchmark(b, func(text []byte) *stream { return downStream(modern.Text, text) })
}
