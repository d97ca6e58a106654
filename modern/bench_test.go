package modern_test

import (
	"strconv"
	"testing"

	"github.com/ws76/ws76/modern"
)

// payloads runs a benchmark for payloads of three sizes.
func payloads(b *testing.B, bench func(b *testing.B, payload []byte)) {
	for _, size := range []int{32, 1 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			bench(b, pattern(size))
		})
	}
}

func BenchmarkScanFromServer(b *testing.B) {
	payloads(b, func(b *testing.B, payload []byte) {
		benchmarkScan(b, &modern.Scanner{}, unmasked(payload))
	})
}

func BenchmarkScanFromClient(b *testing.B) {
	payloads(b, func(b *testing.B, payload []byte) {
		benchmarkScan(b, &modern.Scanner{Server: true}, modern.AppendFrame(nil, true, modern.Text, payload, testKey))
	})
}

// unmasked is a text frame as a server sends it.
func unmasked(payload []byte) []byte {
	frame := modern.AppendHeader(nil, true, modern.Text, uint64(len(payload)), modern.Key{})
	frame = frame[:len(frame)-len(modern.Key{})]
	frame[1] &^= 0x80
	return append(frame, payload...)
}

func benchmarkScan(b *testing.B, s *modern.Scanner, frame []byte) {
	for b.Loop() {
		if tok, n, err := s.Scan(frame); !tok.Last || n != len(frame) || err != nil {
			b.Fatalf("%d bytes, %v", n, err)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	payloads(b, func(b *testing.B, payload []byte) {
		var keys modern.KeySource
		var dst []byte
		for b.Loop() {
			dst = modern.AppendFrame(dst[:0], true, modern.Text, payload, keys.Next())
		}
	})
}

func BenchmarkMask(b *testing.B) {
	payloads(b, func(b *testing.B, payload []byte) {
		for b.Loop() {
			modern.Mask(payload, payload, testKey)
		}
	})
}

func BenchmarkKeys(b *testing.B) {
	var keys modern.KeySource
	b.ReportAllocs()
	for b.Loop() {
		keys.Next()
	}
}
