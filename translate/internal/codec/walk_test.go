package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ws76/ws76/modern"
)

// walkCases are what a server sends, how many messages of it are whole, and whether it
// closed.
var walkCases = []struct {
	id, in   string
	messages int64
	closed   bool
}{
	{"nothing", "", 0, false},
	{"text", "\x81\x05Hello", 1, false},
	{"empty ones", "\x81\x00\x82\x00\x81\x00", 3, false},
	{"fragments", "\x01\x03Hel\x00\x01l\x80\x01o", 1, false},
	{"a Ping inside a message", "\x01\x03Hel\x89\x02hi\x80\x02lo\x8a\x00", 1, false},
	{"an empty last fragment", "\x02\x01a\x80\x00", 1, false},
	{"two lengths", "\x82\x7e\x01\x00" + strings.Repeat("x", 256) + "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x80" + strings.Repeat("\x88", 128), 2, false},
	{"long forms", "\x81\x7e\x00\x01a\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01b", 2, false},
	{"deflated", "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x81\x01a", 2, false},
	{"unfinished", "\x81\x01a\x81\x05Hell", 1, false},
	{"close", "\x81\x01a\x88\x02\x03\xe8", 1, true},
	{"close without code", "\x88\x00", 0, true},
	{"nothing behind Close is a frame", "\x88\x00\x81\x01a", 0, true},
	{"a Close that is payload", "\x82\x02\x88\x00", 1, false},
	{"reserved", "\x81\x01a\x83\x01a\x81\x01a\x88\x00", 1, false},
	{"reserved control", "\x8b\x00\x88\x00", 0, false},
	{"fragmented control", "\x09\x00\x88\x00", 0, false},
	{"control too long", "\x89\x7e\x00\x7e" + strings.Repeat("\x00", 126) + "\x88\x00", 0, false},
	{"no length has so many bits", "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x88\x00", 0, false},
	{"more than will ever come", "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff\x88\x00", 0, false},
	{"not frames", "HTTP/1.1 400 Bad Request\r\n\r\n", 0, false},
}

// ofClient is the same of a client: each whole header has the mask bit and a key.
func ofClient(in string) (out []byte) {
	for b := []byte(in); len(b) > 0; {
		h, ok := modern.ParseHeader(b)
		if !ok {
			return append(out, b...)
		}
		head := bytes.Clone(b[:h.Size])
		head[1] |= 0x80
		n := uint64(h.Size) + min(h.Length, uint64(len(b)-h.Size))
		out = append(append(append(out, head...), 0x88, 0, 0x88, 0), b[h.Size:n]...)
		b = b[n:]
	}
	return out
}

func walk(server bool, segments ...[]byte) (w *Walk) {
	w = NewWalk(server, new(Summary))
	for _, b := range segments {
		w.Pass(b)
	}
	return w
}

// The messages and the Close frame of both sides are found, wherever the bytes are cut.
func TestWalk(t *testing.T) {
	for _, tt := range walkCases {
		for _, server := range []bool{true, false} {
			in := []byte(tt.in)
			if !server {
				in = ofClient(tt.in)
			}
			check := func(cuts string, segments ...[]byte) {
				t.Helper()
				w := walk(server, segments...)
				closed, byServer := w.summary.FirstClose()
				if w.Messages() != tt.messages || closed != tt.closed || byServer != (closed && server) {
					t.Errorf("%s, server %v, %s: %d messages, closed %v by server %v, want %d and %v", tt.id, server, cuts, w.Messages(), closed, byServer, tt.messages, tt.closed)
				}
			}
			for i := range len(in) + 1 {
				for j := i; j <= len(in); j++ {
					check(fmt.Sprintf("cut at %d and %d", i, j), in[:i], in[i:j], in[j:])
				}
			}
			bytewise := make([][]byte, len(in))
			for i := range in {
				bytewise[i] = in[i : i+1]
			}
			check("byte by byte", bytewise...)
		}
	}
}

// Frames masked as the other side's are nobody's.
func TestWalkOfTheOtherSide(t *testing.T) {
	for _, server := range []bool{true, false} {
		in := []byte("\x81\x01a\x88\x00")
		if server {
			in = ofClient(string(in))
		}
		w := walk(server, in)
		if closed, _ := w.summary.FirstClose(); closed || w.Messages() != 0 {
			t.Errorf("server %v: %d messages, closed %v", server, w.Messages(), closed)
		}
	}
}

// The first Close frame counts, whoever sends the second.
func TestFirstClose(t *testing.T) {
	for _, first := range []bool{true, false} {
		s := new(Summary)
		for _, server := range []bool{first, !first} {
			in := []byte("\x88\x00")
			if !server {
				in = ofClient(string(in))
			}
			NewWalk(server, s).Pass(in)
		}
		if closed, server := s.FirstClose(); !closed || server != first {
			t.Errorf("first the server's: %v, got %v, %v", first, closed, server)
		}
	}
}

// modelWalk reads all at once what Walk reads in pieces.
func modelWalk(b []byte, server bool) (messages int64, closed bool) {
	for {
		h, ok := modern.ParseHeader(b)
		control := h.Opcode.Control()
		switch {
		case !ok, h.Masked == server, h.Length>>63 != 0, control && (h.Length > 125 || !h.Fin), h.Opcode&7 > 2:
			return messages, false
		case h.Opcode == modern.Close:
			return messages, true
		case uint64(len(b)-h.Size) < h.Length:
			return messages, false
		}
		b = b[h.Size+int(h.Length):]
		if h.Fin && !control {
			messages++
		}
	}
}

// However frames are cut, and whatever they are, the same is found.
func FuzzWalk(f *testing.F) {
	for _, tt := range walkCases {
		f.Add([]byte(tt.in), []byte{1, 2, 3, 4}, true)
		f.Add(ofClient(tt.in), []byte{1, 2, 3, 4}, false)
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte, server bool) {
		messages, closed := modelWalk(data, server)
		for _, segments := range [][][]byte{{data}, cutBy(sizes, data), cutBy(bytes.Repeat([]byte{1}, len(data)), data)} {
			w := walk(server, segments...)
			if seen, by := w.summary.FirstClose(); w.Messages() != messages || seen != closed || by != (closed && server) {
				t.Fatalf("%d messages, closed %v by server %v, want %d and %v", w.Messages(), seen, by, messages, closed)
			}
		}
	})
}

// BenchmarkWalk is a read of 64 KiB.
func BenchmarkWalk(b *testing.B) {
	for _, server := range []bool{true, false} {
		for _, size := range []int{0, 8, 32, 125, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("server=%v/%d", server, size), func(b *testing.B) {
				frame := modern.AppendServerFrame(nil, true, modern.Binary, make([]byte, size))
				if !server {
					frame = modern.AppendFrame(nil, true, modern.Binary, make([]byte, size), modern.NewKey())
				}
				benchmarkWalk(b, server, bytes.Repeat(frame, 1+readSize/len(frame)))
			})
		}
		b.Run(fmt.Sprintf("server=%v/Pings", server), func(b *testing.B) {
			in := []byte("\x89\x00\x89\x01a\x01\x00\x00\x00\x80\x00")
			if !server {
				in = ofClient(string(in))
			}
			benchmarkWalk(b, server, bytes.Repeat(in, 1+readSize/len(in)))
		})
		b.Run(fmt.Sprintf("server=%v/mixed", server), func(b *testing.B) {
			var in []byte
			for random := rand.New(rand.NewPCG(1, 2)); len(in) < readSize; {
				size := random.IntN(40)
				if random.IntN(8) == 0 {
					size = random.IntN(400)
				}
				if server {
					in = modern.AppendServerFrame(in, true, modern.Text, make([]byte, size))
				} else {
					in = modern.AppendFrame(in, true, modern.Text, make([]byte, size), modern.NewKey())
				}
			}
			benchmarkWalk(b, server, in)
		})
	}
}

func benchmarkWalk(b *testing.B, server bool, in []byte) {
	w := NewWalk(server, new(Summary))
	b.SetBytes(readSize)
	b.ReportAllocs()
	for b.Loop() {
		// As a flow does; the stream goes on where the last read ended.
		*w = Walk{server: server, summary: w.summary}
		w.Pass(in[:readSize])
	}
}
