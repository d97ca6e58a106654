package codec

import (
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// The sizes of dst and src that a relay has.
const (
	bufferSize = 72 << 10
	readSize   = 64 << 10
)

// What grows most leaves no more of src than fits dst behind what is given, at the sizes
// of a relay, which holds both while the other side takes nothing. It held 40 KiB more.
func TestRestFits(t *testing.T) {
	repeat := func(s string) string { return strings.Repeat(s, readSize/len(s)) }
	base64 := func() transformer { return newDown(0, BinaryBase64) }
	for _, test := range []struct {
		id    string
		codec func() transformer
		src   string
	}{
		{"up-empty", func() transformer { return newUp(legacy.Hixie76, 0, 0) }, repeat("\x00\xff")},
		{"up-short", func() transformer { return newUp(legacy.Hixie76, 0, 0) }, repeat("\x00a\xff")},
		{"up-ill-formed", func() transformer { return newUp(legacy.Hixie76, 0, 0) }, "\x00" + repeat("\x80")[2:] + "\xff"},
		{"up-large-then-empty", func() transformer { return newUp(legacy.Hixie76, 0, 0) }, "\x00" + repeat("a")[:readSize/2] + repeat("\xff\x00")[:readSize/2-1]},
		{"server-up-ill-formed", func() transformer { return NewServerUp(legacy.Hixie76, 0, 0, new(Summary)) }, "\x00" + repeat("\x80")[2:] + "\xff"},
		{"hixie-ill-formed", func() transformer { return NewHixie(legacy.Hixie75, 0, 0, new(Summary)) }, "\x00" + repeat("\x80")[2:] + "\xff"},
		{"decode-empty", func() transformer { return NewDecode(legacy.Hixie76, 0, 0, new(Summary)) }, repeat("\x00\xff")},
		{"down-base64", base64, string(fromServer(true, modern.Binary, []byte(repeat("a"))[:readSize-4]))},
		{"down-base64-short", base64, repeat("\x82\x01a")},
		{"down-base64-pings", base64, repeat("\x82\x01a\x89\x00")},
	} {
		t.Run(test.id, func(t *testing.T) {
			c := &carrier{TB: t, tr: test.codec(), size: readSize, room: func(int) int { return bufferSize }}
			c.carry([]byte(test.src))
			if c.err != nil || len(c.in) > 0 || len(c.out) < len(test.src)/2 {
				t.Errorf("%d bytes became %d, %d left, %v", len(test.src), len(c.out), len(c.in), c.err)
			}
		})
	}
}
