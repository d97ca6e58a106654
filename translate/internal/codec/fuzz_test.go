package codec

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ws76/ws76/legacy"
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

// cutBy cuts data into segments of the sizes; what they do not reach is one
// more.
func cutBy(sizes, data []byte) (cut [][]byte) {
	for _, size := range sizes {
		n := min(int(size), len(data))
		cut = append(cut, data[:n])
		data = data[n:]
	}
	return append(cut, data)
}

// lengths is the inverse of cutBy.
func lengths(segments [][]byte) (sizes []byte) {
	for _, s := range segments {
		sizes = append(sizes, byte(len(s)))
	}
	return sizes
}

// Whatever a client sends, however it is cut and into whatever buffers it
// goes, the backend reads the same messages, in frames that are right.
func FuzzUp(f *testing.F) {
	corpus := seeds{F: f}
	for _, v := range append(upCases(f), hixieVectors(f)...) {
		whole, chunks := unhexAll(f, v.Chunks)
		for _, is76 := range []bool{false, true} {
			corpus.add(whole, lengths(chunks), is76, uint16(v.MaxMessage), uint16(v.MaxSkip), uint8(7))
		}
	}
	corpus.atLeast(2 * (68 + 100))
	f.Fuzz(func(t *testing.T, data, sizes []byte, is76 bool, maxMessage, maxSkip uint16, size uint8) {
		d := legacy.Hixie75
		if is76 {
			d = legacy.Hixie76
		}
		fresh := func() *Up { return newUp(d, int64(maxMessage), int64(maxSkip)) }
		want := modelUp(data, fresh().scan)
		for _, f := range upFits {
			if f.size < largeBuffer {
				f.size += int(size)
			}
			for _, segments := range [][][]byte{{data}, cutBy(sizes, data)} {
				u := fresh()
				got, c := carryUp(t, u, f, segments)
				if !slices.Equal(got.messages, want.messages) || !strings.HasPrefix(want.partial, got.partial) {
					t.Fatalf("%s: got %+q, %+q, want %+q, %+q", f.id, got.messages, got.partial, want.messages, want.partial)
				}
				if got := c.end(); got.reason != want.end || u.summary.Skipped != want.dropped {
					t.Fatalf("%s: got %q, %d skipped, want %q, %d", f.id, got.reason, u.summary.Skipped, want.end, want.dropped)
				}
				c.goOn(segments)
			}
		}
	})
}

// goOn carries more after the last word, as a pump does that waits for the end
// of TCP: nothing is promised but that it comes back.
func (c *carrier) goOn(segments [][]byte) {
	c.Helper()
	c.in, c.err = nil, nil
	c.carry(segments...)
}

// A model is what must become of a stream, found message by message.
type model struct {
	messages []string
	partial  string // all that may be out of the message under way
	begun    bool   // a byte of it has come
	held     bool   // it is a part of one frame, which may be checked as a whole first
	pings    []string
	dropped  int64
	end      string
}

func modelUp(data []byte, s legacy.Scanner) (m model) {
	for {
		tok, n, err := s.Scan(data, false)
		data = data[n:]
		switch {
		case err != nil:
			m.end = endOf(err).reason
			m.partial = wantRepaired(bytes.TrimPrefix(data, []byte{0}))
			return m
		case tok.Kind == legacy.Close:
			m.end = clientClosed
			return m
		case tok.Kind == legacy.More:
			if len(data) > 0 {
				m.partial = wantRepaired(data[1:])
			}
			return m
		case tok.Kind == legacy.Skip:
			m.dropped++
		case tok.Kind == legacy.Text:
			m.messages = append(m.messages, wantRepaired(tok.Data))
		}
	}
}

var policies = []BinaryPolicy{BinaryClose, BinaryBase64, BinaryText, BinaryDrop}

// Whatever a backend sends, however it is cut and into whatever buffers it
// goes, the client reads the same messages: all that are complete, and none
// that is not.
func FuzzDown(f *testing.F) {
	corpus := seeds{F: f}
	for _, v := range append(downCases(f), hybiVectors(f)...) {
		whole, chunks := unhexAll(f, v.Chunks)
		for policy := range policies {
			corpus.add(whole, lengths(chunks), uint8(policy), uint16(v.MaxMessage), uint8(7))
		}
	}
	corpus.atLeast(len(policies) * (115 + 23))
	f.Fuzz(func(t *testing.T, data, sizes []byte, policy uint8, maxMessage uint16, more uint8) {
		fresh := func() *Down {
			return newDown(int64(maxMessage), policies[int(policy)%len(policies)])
		}
		want := modelDown(data, fresh())
		for _, f := range downFits {
			if f.size < largeBuffer {
				f.size += int(more)
				f.room = func(int) int { return MinRoom + int(more) }
			}
			for _, segments := range [][][]byte{{data}, cutBy(sizes, data)} {
				d := fresh()
				got, c := carryDown(t, d, f, segments)
				want.check(t, f.id, got, c)
				if d.summary.Dropped != want.dropped {
					t.Fatalf("%s: got %d dropped, want %d", f.id, d.summary.Dropped, want.dropped)
				}
				c.goOn(segments)
			}
		}
	})
}

func (m model) check(t *testing.T, id string, got toClient, c *carrier) {
	t.Helper()
	if m.held && !got.begun && c.end().reason == "" {
		m.begun, m.partial, m.end = false, "", ""
	}
	if !slices.Equal(got.messages, m.messages) || !slices.Equal(c.pings, m.pings) || c.end().reason != m.end {
		t.Fatalf("%s: got %+q, pings %q, end %q, want %+q, %q, %q", id, got.messages, c.pings, c.end().reason, m.messages, m.pings, m.end)
	}
	// Nothing is held back of a message, unless something is wrong with it.
	if m.end == "" && (got.begun != m.begun || got.partial != m.partial) || !strings.HasPrefix(m.partial, got.partial) {
		t.Fatalf("%s: got %x begun %v, want %x, %v", id, got.partial, got.begun, m.partial, m.begun)
	}
}

// modelDown takes from d its settings only.
func modelDown(data []byte, d *Down) (m model) {
	s := d.scan
	var message []byte
	for {
		if s.AtBoundary() {
			m.held = d.binary == BinaryText && isPartOfBinary(data)
		}
		tok, n, err := s.Scan(data)
		data = data[n:]
		switch {
		case err != nil:
			m.end = endOf(err).reason
			return m
		case tok.Kind == modern.More && n == 0:
			return m
		case tok.Kind == modern.Control && tok.Opcode == modern.Ping:
			m.pings = append(m.pings, string(tok.Data))
		case tok.Kind == modern.Control && tok.Opcode == modern.Close:
			m.end = backendClosed
			return m
		case tok.Kind == modern.Message:
			message = append(message, tok.Data...)
			if err := m.piece(d.binary, tok, message); err != nil {
				m.end = endOf(err).reason
				return m
			}
			if tok.Last {
				message = nil
			}
		}
	}
}

// isPartOfBinary reports whether data is the beginning of a binary message of one frame
// that is short enough to be checked as a whole.
func isPartOfBinary(data []byte) bool {
	h, ok := modern.ParseHeader(data)
	return ok && data[0] == 0x82 && h.Length <= 63<<10 && h.Length > uint64(len(data)-h.Size)
}

// piece is for a message so far.
func (m *model) piece(policy BinaryPolicy, tok modern.Token, message []byte) error {
	isBinary := tok.Opcode == modern.Binary
	drop := isBinary && policy == BinaryDrop
	m.begun, m.partial = !tok.Last && !drop, string(message)
	ok := canBecomeUTF8(message) && (!tok.Last || utf8.Valid(message))
	switch {
	case isBinary && policy == BinaryBase64:
		m.partial = wantBase64(message[:len(message)/3*3])
		if tok.Last {
			m.partial = wantBase64(message)
		}
	case drop:
		m.partial = ""
		if tok.Last {
			m.dropped++
		}
	case isBinary && policy == BinaryClose, isBinary && !ok:
		return ErrBinary
	case !ok:
		return ErrInvalidUTF8
	}
	if tok.Last && !drop {
		m.messages = append(m.messages, m.partial)
	}
	if tok.Last {
		m.partial = ""
	}
	return nil
}

// However it is cut, a text is found to be UTF-8 if and only if package utf8
// says so, and its repaired form is that of the oracle.
func FuzzText(f *testing.F) {
	corpus := seeds{F: f}
	for _, v := range append(upCases(f), hixieVectors(f)...) {
		whole, _ := unhexAll(f, v.Chunks)
		corpus.add(whole, []byte{1, 2, 3})
		for _, m := range v.Messages {
			corpus.add([]byte(m), []byte{3, 2, 1})
		}
	}
	corpus.atLeast(200)
	f.Fuzz(func(t *testing.T, p, sizes []byte) {
		if len(p) <= 1<<10 { // at every cut
			checkText(t, p)
		}
		checkValidator(t, p, cutBy(sizes, p)...)
		repaired := appendRepaired(nil, p)
		if again := appendRepaired(nil, repaired); !bytes.Equal(again, repaired) {
			t.Errorf("%x: repaired %x, again %x", p, repaired, again)
		}
	})
}
