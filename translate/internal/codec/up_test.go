package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// An upCase is a case of testdata/up.json: what a legacy client sends and what
// becomes of it.
type upCase struct {
	ID, Rule   string
	Dialects   []string // none = both
	Chunks     []string `json:"chunks_hex"`
	Messages   []string // to the backend
	Skipped    int64    // frames of reserved types
	Repaired   int64    // messages
	End        string   // "" = reads on
	Code       uint16   // of the Close to the backend
	Inside     bool     // the bytes end inside a frame
	MaxMessage int64    `json:"max_message"`
	MaxSkip    int64    `json:"max_skip"`
}

var dialectsByWord = map[string]legacy.Dialect{"75": legacy.Hixie75, "76": legacy.Hixie76}

// loadStrict reads a file of cases; a field that nobody reads is an error.
func loadStrict(t testing.TB, file string, into any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// atLeast fails for a table of cases that has shrunk.
func atLeast[T any](t testing.TB, cases []T, n int) []T {
	t.Helper()
	if len(cases) < n {
		t.Fatalf("%d cases, want at least %d", len(cases), n)
	}
	return cases
}

func upCases(t testing.TB) []upCase {
	t.Helper()
	var file struct {
		Schema int
		Up     []upCase
	}
	loadStrict(t, "testdata/up.json", &file)
	return atLeast(t, file.Up, 68)
}

// hixieVectors are the vectors of package legacy as cases.
func hixieVectors(t testing.TB) (cases []upCase) {
	t.Helper()
	var file struct {
		Schema  int
		Receive []struct {
			ID, Source string
			Dialects   []string
			Chunks     []string                       `json:"chunks_hex"`
			Events     eitherDialect[[]receivedEvent] `json:"events"`
			EndState   eitherDialect[string]          `json:"end_state"`
			Ignored    int                            `json:"ignored_bytes"`
			MaxMessage int64                          `json:"max_message"`
			MaxSkip    int64                          `json:"max_skip"`
		} `json:"hixie_receive"`
		Send json.RawMessage `json:"hixie_send"`
	}
	loadStrict(t, "../../../legacy/legacytest/testdata/frames.json", &file)
	for _, v := range file.Receive {
		for _, d := range v.Dialects {
			c := upCase{
				ID: "vector-" + v.ID + "-" + d, Dialects: []string{d}, Chunks: v.Chunks,
				MaxMessage: v.MaxMessage, MaxSkip: v.MaxSkip,
			}
			for _, e := range v.Events[d] {
				switch e.Ev {
				case "text":
					c.Messages = append(c.Messages, e.Text)
					if e.Replaced {
						c.Repaired++
					}
				case "discard":
					c.Skipped++
				case "close":
					c.End, c.Code = clientClosed, modern.NormalClosure
				case "error":
					c.End, c.Code = e.Reason, modern.ProtocolFailure
					if e.Reason == legacy.MessageTooBig {
						c.Code = modern.TooBig
					}
				default:
					t.Fatalf("%s: event %q", v.ID, e.Ev)
				}
			}
			if c.End == "" && v.EndState[d] != "idle" {
				c.Inside = true
			}
			if v.EndState[d] == "skip" {
				c.Skipped-- // the vector counts it when its length is known, up at its end
			}
			cases = append(cases, c)
		}
	}
	return atLeast(t, cases, 100)
}

// A receivedEvent is an event of a vector of package legacy or modern.
type receivedEvent struct {
	Ev, Text, Hex, Type, Reason string
	Len                         int64
	Code                        *uint16
	Replaced                    bool
	TextPerByte                 string `json:"text_per_byte"`
	TextPerRun                  string `json:"text_per_run"`
}

// eitherDialect is one value, or one for each dialect.
type eitherDialect[T any] map[string]T

func (e *eitherDialect[T]) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if data[0] == '{' {
		return dec.Decode((*map[string]T)(e))
	}
	var one T
	err := dec.Decode(&one)
	*e = eitherDialect[T]{"75": one, "76": one}
	return err
}

// unhexAll decodes chunks; whole is all of them.
func unhexAll(t testing.TB, chunks []string) (whole []byte, segments [][]byte) {
	t.Helper()
	for _, c := range chunks {
		b, err := hex.DecodeString(c)
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, b)
	}
	return bytes.Join(segments, nil), segments
}

// allCuts is data whole, byte by byte, and in two at every position.
func allCuts(data []byte) [][][]byte {
	all := [][][]byte{{data}, slices.Collect(slices.Chunk(data, 1))}
	for i := 1; i < len(data); i++ {
		all = append(all, [][]byte{data[:i], data[i:]})
	}
	return all
}

// A transformer is what all codecs are.
type transformer interface {
	Transform(dst, src []byte, full bool) (nDst, nSrc int, err error)
	AtBoundary() bool
	MidMessage() bool
	Counts() (messages, bytes int64)
}

// A carrier does to a codec what a relay does to it, with buffers of other
// sizes: it brings again what was not taken, empties dst when it is full,
// collects pings, and stops at an error.
type carrier struct {
	testing.TB
	tr    transformer
	size  int                  // of the buffer that is read into
	room  func(lenSrc int) int // of dst
	dst   []byte               // reused
	in    []byte               // read and not taken
	out   []byte               // given
	pings []string             // seen
	err   error                // the last word
}

// guard is behind dst, where nothing may be written.
var guard = []byte("guard behind dst")

func (c *carrier) carry(segments ...[]byte) {
	c.Helper()
	for _, s := range segments {
		for len(s) > 0 && c.err == nil {
			n := min(len(s), c.size-len(c.in))
			if n == 0 {
				c.Fatalf("nothing taken of a full buffer: %x", c.in)
			}
			c.in = append(c.in, s[:n]...)
			s = s[n:]
			c.move()
		}
	}
}

// move has the codec take what was read.
func (c *carrier) move() {
	c.Helper()
	src, full := slices.Clip(c.in), len(c.in) == c.size
	room := c.room(len(src))
	c.dst = append(slices.Grow(c.dst[:0], room+len(guard))[:room], guard...)
	for {
		nDst, nSrc, err := c.tr.Transform(c.dst[:room], src, full)
		if nDst < 0 || nDst > room || nSrc < 0 || nSrc > len(src) || !bytes.Equal(c.dst[room:], guard) {
			c.Fatalf("%d bytes given for a room of %d, %d taken of %d, %q", nDst, room, nSrc, len(src), c.dst[room:])
		}
		if left := len(src) - nSrc; room >= len(src)+MinRoom && nDst+left > room {
			c.Fatalf("%d bytes given and %d left of %d, for a room of %d", nDst, left, len(src), room)
		}
		src = src[nSrc:]
		c.out = append(c.out, c.dst[:nDst]...)
		if ping, ok := err.(Ping); ok {
			c.pings = append(c.pings, string(ping))
			continue
		}
		if err == io.ErrShortBuffer && nDst == 0 {
			c.Fatalf("dst is full and nothing is in it: room %d, %x", room, src)
		}
		if err != io.ErrShortBuffer {
			if c.err = err; len(src) < len(c.in) {
				c.in = append(c.in[:0], src...)
			}
			return
		}
	}
}

// end is what the last word means, the zero value if there was none.
func (c *carrier) end() ending {
	if c.err == nil {
		return ending{}
	}
	return endOf(c.err)
}

// An ending is the reason why a stream ends, and the code of the Close frame for the
// backend.
type ending struct {
	reason string
	code   uint16
}

// The reasons of endings that are not those of an error of package legacy or modern.
const (
	clientClosed  = "client-closed"
	backendClosed = "backend-closed"
	invalidUTF8   = "text-utf8"
	binaryMessage = "binary-message"
)

func endOf(err error) ending {
	switch e := err.(type) {
	case *CloseError:
		return ending{backendClosed, e.Code}
	case *modern.ProtocolError:
		return ending{e.Reason(), e.Code}
	case *legacy.FrameError:
		if e.Reason() == legacy.MessageTooBig {
			return ending{e.Reason(), modern.TooBig}
		}
		return ending{e.Reason(), modern.ProtocolFailure}
	}
	return map[error]ending{
		ErrClose:       {clientClosed, modern.NormalClosure},
		ErrInvalidUTF8: {invalidUTF8, modern.InvalidPayload},
		ErrBinary:      {binaryMessage, modern.UnsupportedData},
	}[err]
}

// A fit is the sizes of the buffers of a carrier.
type fit struct {
	id   string
	size int
	room func(lenSrc int) int
}

const largeBuffer = 1 << 20

// largeRoom is a dst that is never full: an empty message takes 6 bytes for 2.
func largeRoom(lenSrc int) int { return 4*lenSrc + 2*MinRoom }

// leastRoom is the smallest dst that what is left of src is sure to fit too.
func leastRoom(lenSrc int) int { return lenSrc + MinRoom }

// upRoom is the smallest dst that Up may get.
func upRoom(lenSrc int) int { return max(lenSrc+modern.MaxHeader, 4*modern.MaxHeader) }

var upFits = []fit{
	{"large", largeBuffer, largeRoom},
	{"short-dst", largeBuffer, upRoom},
	{"short-src", 1 + utf8.UTFMax, largeRoom}, // 00 and a character
	{"short", 1 + utf8.UTFMax, upRoom},
	{"short-16", 16, upRoom},
	{"with-rest", largeBuffer, leastRoom},
	{"with-rest-short", 512, leastRoom},
}

func newUp(d legacy.Dialect, maxMessage, maxSkip int64) *Up {
	return NewUp(d, maxMessage, maxSkip, new(Summary))
}

// A toBackend is what a backend reads.
type toBackend struct {
	messages []string
	partial  string // of a message whose last fragment has not come
	frames   int
}

// readByBackend reads what Up wrote, all of it: frames that are strictly right,
// of text that is well-formed in each of them.
func readByBackend(t testing.TB, wire []byte) (got toBackend) {
	t.Helper()
	s := modern.Scanner{Server: true}
	for wire = bytes.Clone(wire); len(wire) > 0; { // it unmasks in place
		tok, n, err := s.Scan(wire)
		if err != nil || tok.Kind != modern.Message || tok.Opcode != modern.Text || !utf8.Valid(tok.Data) {
			t.Fatalf("%x: %+v, %v", wire, tok, err)
		}
		wire = wire[n:]
		got.frames++
		got.partial += string(tok.Data)
		if tok.Last {
			got.messages = append(got.messages, got.partial)
			got.partial = ""
		}
	}
	return got
}

// carryUp carries segments and reads the result.
func carryUp(t testing.TB, u *Up, f fit, segments [][]byte) (toBackend, *carrier) {
	t.Helper()
	c := &carrier{TB: t, tr: u, size: f.size, room: f.room}
	c.carry(segments...)
	got := readByBackend(t, c.out)
	messages, size := u.Counts()
	if want := len(strings.Join(got.messages, "") + got.partial); int(messages) != len(got.messages) || int(size) != want {
		t.Fatalf("counts %d, %d, want %d, %d", messages, size, len(got.messages), want)
	}
	if u.fragmented != (got.frames > len(got.messages) && got.partial != "") {
		t.Fatalf("open %v after %q", u.fragmented, got.partial)
	}
	return got, c
}

func TestUp(t *testing.T) {
	for _, v := range append(upCases(t), hixieVectors(t)...) {
		t.Run(v.ID, func(t *testing.T) {
			if v.Dialects == nil {
				v.Dialects = []string{"75", "76"}
			}
			whole, chunks := unhexAll(t, v.Chunks)
			for _, d := range v.Dialects {
				for _, f := range upFits {
					for _, segments := range append(allCuts(whole), chunks) {
						v.run(t, dialectsByWord[d], f, segments)
						if t.Failed() {
							t.Fatalf("-%s, %s, %x", d, f.id, segments)
						}
					}
				}
			}
		})
	}
}

func (v upCase) run(t *testing.T, d legacy.Dialect, f fit, segments [][]byte) {
	t.Helper()
	u := newUp(d, v.MaxMessage, v.MaxSkip)
	got, c := carryUp(t, u, f, segments)
	if !slices.Equal(got.messages, v.Messages) {
		t.Errorf("got %+q, want %+q", got.messages, v.Messages)
	}
	if end := c.end(); end.reason != v.End || end.code != v.Code {
		t.Errorf("got end %q %d, want %q %d", end.reason, end.code, v.End, v.Code)
	}
	if u.summary.Skipped != v.Skipped {
		t.Errorf("got %d skipped, want %d", u.summary.Skipped, v.Skipped)
	}
	if inside := !u.AtBoundary() || len(c.in) > 0; c.err == nil && inside != v.Inside {
		t.Errorf("got inside %v, want %v", inside, v.Inside)
	}
	if f.id == "large" && (got.frames != len(v.Messages) || u.summary.Repaired != v.Repaired) {
		t.Errorf("got %d frames, %d repaired, want %d, %d", got.frames, u.summary.Repaired, len(v.Messages), v.Repaired)
	}
	if u.MidMessage() {
		t.Error("got unfinished")
	}
}

// A message becomes fragments when src cannot hold it, and when its repaired
// text does not fit dst; and only then.
func TestUpFragments(t *testing.T) {
	const k = 1 << 10
	for _, test := range []struct {
		id         string
		text       string
		size, room int
		frames     int
	}{
		{"fits", strings.Repeat("a", 4*k-2), 4 * k, 4*k + 14, 1},
		{"fills-src", strings.Repeat("a", 4*k-1), 4 * k, 4*k + 14, 2}, // 00 and text; FF
		{"longer-than-src", strings.Repeat("a", 10*k), 4 * k, 4*k + 14, 3},
		{"dst-does-not-matter", strings.Repeat("a", 10*k), 4 * k, 64 * k, 3},
		{"characters", strings.Repeat("\u20ac", 2*k), 4 * k, 4*k + 14, 2},
		{"repaired-fits", strings.Repeat("\x80", k), 4 * k, 4*k + 14, 1},
		{"repaired-longer-than-dst", strings.Repeat("\x80", 2*k), 4 * k, 4*k + 14, 2},
		{"length-125", strings.Repeat("a", 125), 4 * k, 4*k + 14, 1},
		{"length-126", strings.Repeat("a", 126), 4 * k, 4*k + 14, 1},
		{"length-65535", strings.Repeat("a", 65535), 128 * k, 128*k + 14, 1},
		{"length-65536", strings.Repeat("a", 65536), 128 * k, 128*k + 14, 1},
	} {
		t.Run(test.id, func(t *testing.T) {
			src := "\x00first\xff\x00" + test.text + "\xff\x00last\xff"
			f := fit{test.id, test.size, func(int) int { return test.room }}
			got, _ := carryUp(t, newUp(legacy.Hixie76, 0, 0), f, [][]byte{[]byte(src)})
			want := []string{"first", wantRepaired([]byte(test.text)), "last"}
			if !slices.Equal(got.messages, want) || got.partial != "" {
				t.Errorf("got %d messages of %d bytes", len(got.messages), len(strings.Join(got.messages, "")))
			}
			if got.frames != test.frames+2 {
				t.Errorf("got %d frames, want %d", got.frames-2, test.frames)
			}
		})
	}
}

// A message that begins in one filled buffer and ends in the next is whole
// still: it was made fragments before, however small it was.
func TestUpRowFillsSrc(t *testing.T) {
	const size, n = 100, 200
	f := fit{"", size, largeRoom}
	for text := range size - 1 {
		src := bytes.Repeat(legacy.AppendText(nil, message(text, false)), n)
		got, _ := carryUp(t, newUp(legacy.Hixie76, 0, 0), f, [][]byte{src})
		if len(got.messages) != n || got.frames != n {
			t.Errorf("%d bytes: got %d messages, %d frames, want %d", text, len(got.messages), got.frames, n)
		}
	}
}

// What is left of src is wanted again, and no byte of it is given before.
func TestUpCollects(t *testing.T) {
	u := newUp(legacy.Hixie76, 0, 0)
	dst := make([]byte, 64)
	src := []byte("\x00a\xff\x00bcd")
	nDst, nSrc, err := u.Transform(dst, src, false)
	if nDst != 7 || nSrc != 3 || err != nil {
		t.Fatalf("got %d, %d, %v, want 7, 3, nil", nDst, nSrc, err)
	}
	nDst, nSrc, err = u.Transform(dst, append(src[3:], 0xff), false)
	if nDst != 9 || nSrc != 5 || err != nil {
		t.Fatalf("got %d, %d, %v, want 9, 5, nil", nDst, nSrc, err)
	}
}

// The last word is repeated, and after a closing handshake nothing counts.
func TestUpAfterTheEnd(t *testing.T) {
	for _, test := range []struct {
		id, src string
		again   string
	}{
		{"close", "\xff\x00", ""},
		{"error", "\x00too long\xff", legacy.MessageTooBig},
	} {
		t.Run(test.id, func(t *testing.T) {
			c := &carrier{TB: t, tr: newUp(legacy.Hixie76, 4, 0), size: 64, room: upRoom}
			c.carry([]byte(test.src))
			c.in, c.err = nil, nil
			c.carry([]byte("\x00a\xff\xff\x00"))
			if got := c.end().reason; got != test.again || len(c.out) > 0 {
				t.Errorf("got %q, %x, want %q", got, c.out, test.again)
			}
		})
	}
}

// Every frame has a key of its own; which, modern.KeySource decides.
func TestUpMasksAfresh(t *testing.T) {
	const n = 300
	c := &carrier{TB: t, tr: newUp(legacy.Hixie76, 0, 0), size: largeBuffer, room: largeRoom}
	c.carry(bytes.Repeat([]byte("\x00ff\xff"), n))
	seen := map[modern.Key]bool{}
	for wire := c.out; len(wire) > 0; {
		h, ok := modern.ParseHeader(wire)
		if !ok {
			t.Fatalf("%x", wire)
		}
		seen[h.Key] = true
		wire = wire[h.Size+int(h.Length):]
	}
	if len(seen) < n-2 { // two keys may be the same by chance
		t.Errorf("got %d keys for %d frames", len(seen), n)
	}
}

// message is a text of n bytes.
func message(n int, utf8 bool) []byte {
	if utf8 {
		return []byte(strings.Repeat("\u00e9\u20ac\U0001f600", n/9) + strings.Repeat("x", n%9))
	}
	return bytes.Repeat([]byte("x"), n)
}
