package inspect

import (
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// Whatever the bytes, however they are cut and whichever side they are of: rows hold them
// all, in parts that are as long as they are, and what is held is counted.
func FuzzBytes(f *testing.F) {
	f.Add(uint8(0), []byte("\x00Hello\xff\x80\x03abc\xff\x00late"), uint8(3))
	f.Add(uint8(1), []byte("\x01\x01a\x89\x01x\x80\x01b\x88\x02\x03\xe8"), uint8(1))
	f.Add(uint8(2), []byte("\x81\xfe\x00\x7f0000"), uint8(200))
	f.Fuzz(func(t *testing.T, how uint8, b []byte, cut uint8) {
		i := New(1<<30, translate.BinaryDrop)
		d := []legacy.Dialect{legacy.Hixie75, legacy.Hixie76, legacy.RFC6455}[how%3]
		c := i.Handshake(&translate.Exchange{Dialect: d, Backend: []legacy.Dialect{legacy.RFC6455, legacy.Hixie76, legacy.Hixie75}[how/16%3]}).(*conn)
		sides := []translate.Side{translate.ByClient, translate.ByBackend}
		for n := 0; n < len(b); n += 1 + int(cut) {
			c.Bytes(sides[how/4%2], how&8 != 0, b[n:min(len(b), n+1+int(cut))])
			how ^= uint8(n) & (how & 0x80) >> 4 // perhaps both directions
		}
		c.Closed(translate.End{By: translate.ByClient, Reason: translate.ClientGone}, translate.Damage{})
		held := c.size()
		for _, r := range c.rows {
			held += r.size
			for _, w := range []*wire{r.Client, r.Backend} {
				if w == nil {
					continue
				}
				size := 0
				for _, p := range w.Parts {
					size += int(p.size)
				}
				if size != len(w.Bytes) || w.Size < w.Payload || w.Payload < 0 {
					t.Fatalf("%+v", w)
				}
				w.message()
			}
			r.copy(1)
		}
		if got := i.held.Load(); got != held {
			t.Fatalf("%d bytes are held, %d counted", got, held)
		}
	})
}
