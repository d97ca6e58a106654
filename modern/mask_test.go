package modern_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ws76/ws76/modern"
)

// naive is the formula of RFC 6455 section 5.3.
func naive(src []byte, key modern.Key) []byte {
	dst := make([]byte, len(src))
	for i := range src {
		dst[i] = src[i] ^ key[i%4]
	}
	return dst
}

// pattern is n bytes of which no two neighbours are alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// Every length, at every place in a word, leaves the bytes around it alone.
func TestMask(t *testing.T) {
	const margin = 16
	key := modern.Key{0x37, 0xfa, 0x21, 0x3d}
	for length := range 101 {
		for at := range 9 {
			around := pattern(margin + length + margin)
			src := around[at : at+length]
			want := naive(src, key)

			dst := bytes.Repeat([]byte{0xee}, len(around))
			modern.Mask(dst[8-at:8-at+length], src, key)
			if !bytes.Equal(dst[8-at:8-at+length], want) || !bytes.Equal(around, pattern(len(around))) {
				t.Fatalf("%d bytes at %d, copied: got %x, want %x", length, at, dst[8-at:8-at+length], want)
			}
			if n := bytes.Count(dst[:8-at], []byte{0xee}) + bytes.Count(dst[8-at+length:], []byte{0xee}); n != len(dst)-length {
				t.Fatalf("%d bytes at %d, copied: wrote beside them", length, at)
			}

			modern.Mask(src, src, key)
			if !bytes.Equal(src, want) {
				t.Fatalf("%d bytes at %d, in place: got %x, want %x", length, at, src, want)
			}
			if modern.Mask(src, src, key); !bytes.Equal(around, pattern(len(around))) {
				t.Fatalf("%d bytes at %d: masked twice, got %x", length, at, around)
			}
		}
	}
}

func TestKeyRotate(t *testing.T) {
	key := modern.Key{1, 2, 3, 4}
	want := naive(pattern(70), key)
	for n := range 70 {
		got := pattern(70)
		modern.Mask(got[:n], got[:n], key)
		modern.Mask(got[n:], got[n:], key.Rotate(n))
		if !bytes.Equal(got, want) {
			t.Fatalf("cut at %d: got %x, want %x", n, got, want)
		}
	}
}

// Keys are random, so that a few of 100,000 agree: 1.2 pairs are to be
// expected of 2^32 keys, 20 are less likely than a broken machine.
func TestKeys(t *testing.T) {
	var keys modern.KeySource
	seen := map[modern.Key]bool{}
	repeated := 0
	for range 100_000 {
		k := keys.Next()
		if seen[k] {
			repeated++
		}
		seen[k] = true
	}
	if repeated >= 20 {
		t.Errorf("%d keys came again", repeated)
	}
}

// Every byte of a key takes every value, and none tells anything about the key
// after it: of 10,000 it is the same in 39, give or take 6.
func TestKeysUseAllBytes(t *testing.T) {
	var keys modern.KeySource
	var seen [4][256]bool
	var same [4][4]int
	before := keys.Next()
	for range 10_000 {
		key := keys.Next()
		for i, b := range key {
			seen[i][b] = true
			for j := range before {
				if before[j] == b {
					same[i][j]++
				}
			}
		}
		before = key
	}
	for i := range seen {
		if n := slices.Max(same[i][:]); n > 150 {
			t.Errorf("byte %d is one of the key before in %d", i, n)
		}
		if b := slices.Index(seen[i][:], false); b >= 0 {
			t.Errorf("byte %d is never %#x", i, b)
		}
	}
}

// Nobody's keys are anybody else's, from the first one on.
func TestKeysDiffer(t *testing.T) {
	var a, b modern.KeySource
	sources := map[string]func() modern.Key{"a": a.Next, "b": b.Next, "NewKey": modern.NewKey}
	seen := map[[2]modern.Key]string{}
	for id, next := range sources {
		first := [2]modern.Key{next(), next()}
		if first[0] == (modern.Key{}) || first[0] == first[1] {
			t.Errorf("%s: begins with %x", id, first)
		}
		if other, ok := seen[first]; ok {
			t.Errorf("%s and %s begin with %x", id, other, first)
		}
		seen[first] = id
	}
}

func TestMaskAllocatesNothing(t *testing.T) {
	var keys modern.KeySource
	buf := pattern(1000)
	keys.Next()
	if n := testing.AllocsPerRun(1000, func() { modern.Mask(buf, buf, keys.Next()) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
