package modern_test

import (
	"bufio"
	"bytes"
	"net/http"
	"reflect"
	"testing"

	"github.com/ws76/ws76/modern"
)

// seeds counts what is added to a corpus: one that vanishes fails.
type seeds struct {
	*testing.F
	n int
}

func (s *seeds) add(args ...any) {
	s.Add(args...)
	s.n++
}

func (s *seeds) atLeast(n int) {
	s.Helper()
	if s.n < n {
		s.Fatalf("%d seeds, want at least %d", s.n, n)
	}
}

// However the bytes are cut, a Scanner says the same of them, and what it has
// found gives the same tokens when it is appended again. The cuts are sizes of
// segments; what they do not reach is one segment more.
func FuzzScan(f *testing.F) {
	corpus := seeds{F: f}
	for _, v := range loadFrames(f) {
		whole, chunks := v.bytes(f)
		var sizes []byte
		for _, c := range chunks {
			sizes = append(sizes, byte(len(c)))
		}
		corpus.add(whole, sizes, v.Role == "server", v.Lenient, uint16(v.MaxMessage))
		corpus.add(whole, []byte{1, 1, 1, 1}, v.Role == "server", !v.Lenient, uint16(5))
	}
	corpus.atLeast(2 * 39)
	f.Fuzz(func(t *testing.T, data, sizes []byte, server, lenient bool, maxMessage uint16) {
		fresh := func() *modern.Scanner {
			return &modern.Scanner{Server: server, Lenient: lenient, MaxMessage: int64(maxMessage)}
		}
		want := scan(t, fresh(), [][]byte{data})
		for _, cut := range [][][]byte{segments(data, sizes), segments(data, bytes.Repeat([]byte{1}, len(data)))} {
			if got := scan(t, fresh(), cut); !reflect.DeepEqual(got, want) {
				t.Errorf("%x in pieces of %v:\ngot  %+v\nwant %+v", data, sizes, got, want)
			}
		}
		found := tokens(fresh(), data)
		again := &modern.Scanner{Server: true, Lenient: lenient, MaxMessage: int64(maxMessage)}
		if back := tokens(again, appendTokens(nil, found)); !reflect.DeepEqual(back, found) {
			t.Errorf("%x, appended again:\ngot  %+v\nwant %+v", data, back, found)
		}
	})
}

func segments(data, sizes []byte) (cut [][]byte) {
	for _, size := range sizes {
		n := min(int(size), len(data))
		cut = append(cut, data[:n])
		data = data[n:]
	}
	return append(cut, data)
}

// tokens are what a Scanner finds in data before it has an error or needs more.
func tokens(s *modern.Scanner, data []byte) (all []modern.Token) {
	for rest := bytes.Clone(data); ; {
		tok, n, err := s.Scan(rest)
		if err != nil || tok.Kind == modern.More {
			return all
		}
		all = append(all, tok)
		rest = rest[n:]
	}
}

// appendTokens makes a frame of each token. The pieces of a message that was
// scanned in one go are its fragments.
func appendTokens(dst []byte, all []modern.Token) []byte {
	inside := false
	for i, tok := range all {
		op := tok.Opcode
		if tok.Kind == modern.Message {
			if inside {
				op = modern.Continuation
			}
			inside = !tok.Last
		}
		dst = modern.AppendFrame(dst, tok.Last, op, tok.Data, modern.Key{byte(i), 1, 2, 3})
	}
	return dst
}

// A header is read as section 5.2 draws it, from no byte more than it has, and
// AppendHeader writes it in the shortest form.
func FuzzParseHeader(f *testing.F) {
	corpus := seeds{F: f}
	for _, v := range loadFrames(f) {
		_, chunks := v.bytes(f)
		for _, c := range chunks {
			corpus.add(c[:min(len(c), modern.MaxHeader)])
		}
	}
	corpus.atLeast(39)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, ok := modern.ParseHeader(data)
		want, wantOK := parseHeader(data)
		if ok != wantOK || ok && h != want {
			t.Fatalf("%x: got %+v, %v, want %+v, %v", data, h, ok, want, wantOK)
		}
		if !ok {
			return
		}
		if short, ok := modern.ParseHeader(data[:h.Size-1]); ok {
			t.Errorf("%x: got %+v of a byte less", data, short)
		}
		written := modern.AppendHeader(nil, h.Fin, h.Opcode, h.Length, h.Key)
		h.RSV, h.Masked = 0, true
		back, ok := modern.ParseHeader(written)
		if h.Size = back.Size; back != h || !ok || len(written) != h.Size || len(written) > modern.MaxHeader {
			t.Errorf("%x, appended: %x, %+v, %v, want %+v", data, written, back, ok, h)
		}
		if shortest := 6 + map[bool]int{true: 2}[h.Length > 125] + map[bool]int{true: 6}[h.Length > 65535]; h.Size != shortest {
			t.Errorf("%x, appended: %x, want %d bytes", data, written, shortest)
		}
	})
}

// A head ends where net/http ends it, and none of it is behind that.
func FuzzHeadEnd(f *testing.F) {
	for _, head := range []string{answer101, "HTTP/1.1 404 No\nA: b\n\nbody", "HTTP/1.1 101\r\n\n\r\n", "HTTP/1.1 200 OK\n\r\n\r\n\r\n"} {
		f.Add([]byte(head + frames))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		end := modern.HeadEnd(data)
		br := bufio.NewReaderSize(bytes.NewReader(data), len(data)+16)
		if _, err := http.ReadResponse(br, nil); err == nil && end != len(data)-br.Buffered() {
			t.Errorf("%q: ends at %d, to net/http at %d", data, end, len(data)-br.Buffered())
		}
		if end > 0 && modern.HeadEnd(data[:end-1]) != 0 {
			t.Errorf("%q: ends at %d, and before", data, end)
		}
	})
}

// parseHeader is the figure of RFC 6455 section 5.2, bit by bit.
func parseHeader(src []byte) (h modern.Header, ok bool) {
	ok = true
	at := 0
	bits := func(n int) (v uint64) {
		for range n {
			v <<= 1
			if at/8 >= len(src) {
				ok = false
			} else {
				v |= uint64(src[at/8]>>(7-at%8)) & 1
			}
			at++
		}
		return v
	}
	h.Fin = bits(1) == 1
	h.RSV = byte(bits(3)) << 4
	h.Opcode = modern.Opcode(bits(4))
	h.Masked = bits(1) == 1
	switch h.Length = bits(7); h.Length {
	case 126:
		h.Length = bits(16)
	case 127:
		h.Length = bits(64)
	}
	if h.Masked {
		for i := range h.Key {
			h.Key[i] = byte(bits(8))
		}
	}
	h.Size = at / 8
	return h, ok
}
