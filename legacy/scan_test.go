package legacy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ws76/ws76/legacy"
)

// A received is a vector of hixie_receive.
type received struct {
	ID, Source string
	Dialects   []string
	Chunks     []string `json:"chunks_hex"`
	Events     byDialect[[]event]
	EndState   byDialect[string] `json:"end_state"`
	Ignored    int64             `json:"ignored_bytes"`
	MaxMessage int64             `json:"max_message"`
	MaxSkip    int64             `json:"max_skip"`
}

// An event is what a Scanner has found. In a vector a text is repaired, in
// what scan returns it is as it came.
type event struct {
	Ev          string
	Text        string
	Type        string
	Len         int64
	Reason      string
	Replaced    bool
	TextPerByte string `json:"text_per_byte"`
	TextPerRun  string `json:"text_per_run"`
}

// byDialect is one value, or one for each dialect.
type byDialect[T any] map[string]T

func (b *byDialect[T]) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if data[0] == '{' {
		return dec.Decode((*map[string]T)(b))
	}
	var one T
	err := dec.Decode(&one)
	*b = byDialect[T]{"75": one, "76": one}
	return err
}

func loadFrames(t testing.TB) (receive []received, send []sent) {
	t.Helper()
	file := struct {
		Schema  int
		Receive *[]received `json:"hixie_receive"`
		Send    *[]sent     `json:"hixie_send"`
	}{0, &receive, &send}
	load(t, "frames.json", &file)
	atLeast(t, receive, 53)
	atLeast(t, send, 7)
	return receive, send
}

func (v received) bytes(t testing.TB) (whole []byte, chunks [][]byte) {
	t.Helper()
	for _, c := range v.Chunks {
		chunks = append(chunks, unhex(t, c))
	}
	return bytes.Join(chunks, nil), chunks
}

// dialects is the dialect of each word of a vector.
var dialects = map[string]legacy.Dialect{"75": legacy.Hixie75, "76": legacy.Hixie76}

// A scanned is all that a Scanner said about a stream of bytes.
type scanned struct {
	events []event
	state  string
	end    int64 // offset behind the last byte that counted
}

// A mode is what a caller of Scan does: it collects, or flushes when it holds
// so many bytes, and may take every Text back once.
type mode struct {
	room int // 0 = unlimited, never flush
	undo bool
}

func (m mode) flush(held int) bool { return m.room > 0 && held >= m.room }

var modes = []mode{{}, {room: 1}, {room: 5}, {undo: true}, {room: 1, undo: true}, {room: 5, undo: true}}

// A caller of Scan keeps the contract, that bytes that were not taken come
// again with more behind them, and checks what holds for any bytes.
type caller struct {
	testing.TB
	mode
	s        *legacy.Scanner
	rest     []byte // not taken yet
	message  []byte // pieces of a message, as they came
	repaired string // the same, repaired piece by piece
	taken    int64
	got      scanned
}

func scan(t testing.TB, s *legacy.Scanner, segments [][]byte, m mode) scanned {
	t.Helper()
	c := caller{TB: t, mode: m, s: s}
	for _, segment := range segments {
		c.rest = append(c.rest, segment...)
		for {
			tok, err := c.next()
			if err != nil {
				return c.failed(err)
			}
			if tok.Kind == legacy.More {
				break
			}
			c.take(tok)
		}
		c.checkRest()
	}
	if c.got.state = s.State(); len(c.rest) > 0 {
		c.got.state = "text" // not taken: an unfinished message
	}
	if c.got.state != "closed" {
		c.got.end = c.taken + int64(len(c.rest))
	}
	return c.got
}

func (c *caller) next() (legacy.Token, error) {
	c.Helper()
	flush := c.flush(len(c.rest))
	tok, n, err := c.s.Scan(c.rest, flush)
	if c.undo && tok.Kind == legacy.Text {
		if c.s.Undo(); c.s.Offset() != c.taken {
			c.Fatalf("offset %d after Undo, want %d", c.s.Offset(), c.taken)
		}
		again, m, err := c.s.Scan(c.rest, flush)
		if !reflect.DeepEqual(again, tok) || m != n || err != nil {
			c.Fatalf("after Undo %+v, %d, %v, want %+v, %d", again, m, err, tok, n)
		}
	}
	if n < 0 || n > len(c.rest) {
		c.Fatalf("took %d of %d bytes", n, len(c.rest))
	}
	c.rest = c.rest[n:]
	if c.taken += int64(n); c.s.Offset() != c.taken {
		c.Fatalf("offset %d, want %d", c.s.Offset(), c.taken)
	}
	return tok, err
}

func (c *caller) take(tok legacy.Token) {
	c.Helper()
	switch tok.Kind {
	case legacy.Text:
		c.takeText(tok)
	case legacy.Skip:
		kind, length := c.s.Skipped()
		c.event(event{Ev: "discard", Type: fmt.Sprintf("0x%02x", kind), Len: length})
	case legacy.Close:
		c.event(event{Ev: "close"})
		c.got.end = c.taken
	default:
		c.Fatalf("kind %d", tok.Kind)
	}
}

func (c *caller) event(e event) { c.got.events = append(c.got.events, e) }

func (c *caller) takeText(tok legacy.Token) {
	c.Helper()
	switch {
	case bytes.IndexByte(tok.Data, 0xff) >= 0:
		c.Fatalf("FF in the message %x", tok.Data)
	case c.room == 0 && !tok.Last:
		c.Fatal("a piece, not flushed")
	case !tok.Last && len(tok.Data) == 0:
		c.Fatal("an empty piece")
	}
	c.message = append(c.message, tok.Data...)
	c.repaired += repair(string(tok.Data))
	if !tok.Last {
		return
	}
	if want := repair(string(c.message)); c.repaired != want {
		c.Fatalf("a character was cut: %q in pieces, %q whole", c.repaired, want)
	}
	c.event(event{Ev: "text", Text: string(c.message)})
	c.message, c.repaired = nil, ""
}

// checkRest wants nothing left but an unfinished message that there is room
// for; if there is none, only the beginning of a character and the type byte
// that may be before it.
func (c *caller) checkRest() {
	c.Helper()
	state := c.s.State()
	switch {
	case len(c.rest) == 0:
	case c.flush(len(c.rest)) && len(c.rest) > 4:
		c.Fatalf("%x left, flushed", c.rest)
	case state == "idle" && c.rest[0] == 0, state == "text" && c.room > 0:
	default:
		c.Fatalf("%x left in state %s", c.rest, state)
	}
}

// failed checks that an error stays.
func (c *caller) failed(err error) scanned {
	c.Helper()
	var frame *legacy.FrameError
	if !errors.As(err, &frame) {
		c.Fatalf("got %v, want a *FrameError", err)
	}
	tok, n, again := c.s.Scan([]byte("\x00a\xff"), true)
	if again != err || n != 0 || tok.Kind != legacy.More || c.s.Offset() != c.taken {
		c.Fatalf("after an error: %+v, %d, %v, offset %d", tok, n, again, c.s.Offset())
	}
	c.event(event{Ev: "error", Reason: frame.Reason()})
	return scanned{events: c.got.events, state: c.s.State(), end: frame.Offset + 1}
}

// repair replaces each maximal subpart of an ill-formed sequence by U+FFFD.
func repair(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			for size < len(s) && !utf8.FullRuneInString(s[:size+1]) {
				size++
			}
		}
		b.WriteRune(r)
		s = s[size:]
	}
	return b.String()
}

func TestScan(t *testing.T) {
	receive, _ := loadFrames(t)
	for _, v := range receive {
		for _, d := range v.Dialects {
			t.Run(v.ID+"/"+d, func(t *testing.T) {
				whole, chunks := v.bytes(t)
				want := scanned{v.Events[d], v.EndState[d], int64(len(whole)) - v.Ignored}
				if want.state == "skip" {
					// The vector has the event at the length; here it comes
					// with the last byte of the frame.
					want.events = want.events[:len(want.events)-1]
				}
				for i := range want.events {
					e := &want.events[i]
					e.Replaced, e.TextPerByte, e.TextPerRun = false, "", ""
				}
				for _, segments := range append(cuts(whole), chunks) {
					for _, m := range modes {
						s := &legacy.Scanner{Dialect: dialects[d], MaxMessage: v.MaxMessage, MaxSkip: v.MaxSkip}
						got := scan(t, s, segments, m)
						for i := range got.events {
							got.events[i].Text = repair(got.events[i].Text)
						}
						if !equal(got, want) {
							t.Fatalf("%x, %+v:\ngot  %+v\nwant %+v", segments, m, got, want)
						}
					}
				}
			})
		}
	}
}

func equal(a, b scanned) bool {
	return a.state == b.state && a.end == b.end &&
		(len(a.events) == 0 && len(b.events) == 0 || reflect.DeepEqual(a.events, b.events))
}

// A limit counts payload, and the error names the first byte beyond it,
// counted from the start of the stream.
func TestScanLimits(t *testing.T) {
	const first = "\x00hi\xff\x05\xff" // 6 bytes within every limit
	for _, test := range []struct {
		id                  string
		maxMessage, maxSkip int64
		src                 string
		reason              string
		at                  int64
	}{
		{"message-below", 4, 0, "\x00abc\xff", "", 0},
		{"message-at", 4, 0, "\x00abcd\xff", "", 0},
		{"message-above", 4, 0, "\x00abcde\xff", legacy.MessageTooBig, 5},
		{"message-above-unfinished", 4, 0, "\x00abcde", legacy.MessageTooBig, 5},
		{"message-far-above", 4, 0, "\x00" + strings.Repeat("a", 999), legacy.MessageTooBig, 5},
		{"message-in-a-character", 4, 0, "\x00abc\u20ac\xff", legacy.MessageTooBig, 5},
		{"message-skip-unlimited", 4, 0, "\x01abcdefgh\xff\x80\x08abcdefgh", "", 0},
		{"sentinel-at", 0, 4, "\x7fabcd\xff", "", 0},
		{"sentinel-above", 0, 4, "\x7fabcde\xff", legacy.SkipTooBig, 5},
		{"sentinel-text-unlimited", 0, 4, "\x00abcdefgh\xff", "", 0},
		{"length-at", 0, 4, "\x80\x04abcd", "", 0},
		{"length-above", 0, 4, "\x80\x05", legacy.SkipTooBig, 1},
		{"length-above-in-two", 0, 200, "\x80\x81\x49", legacy.SkipTooBig, 2},
		{"length-at-in-two", 0, 200, "\x80\x81\x48" + strings.Repeat("\xff", 200), "", 0},
		{"length-padded", 0, 4, "\xfe" + strings.Repeat("\x80", 99) + "\x05", legacy.SkipTooBig, 100},
		{"length-63-bits", 0, 0, "\x80" + strings.Repeat("\xff", 8) + "\x7f", "", 0},
		{"length-64-bits", 0, 0, "\x80" + strings.Repeat("\xff", 9) + "\x7f", legacy.LengthOverflow, 10},
		{"length-2-to-63", 0, 0, "\x80\x81" + strings.Repeat("\x80", 8) + "\x00", legacy.LengthOverflow, 10},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, segments := range cuts([]byte(first + test.src)) {
				for _, m := range modes {
					s := &legacy.Scanner{Dialect: legacy.Hixie76, MaxMessage: test.maxMessage, MaxSkip: test.maxSkip}
					got := scan(t, s, segments, m)
					if test.reason == "" {
						if got.state == "failed" {
							t.Fatalf("%d segments, %+v: %+v", len(segments), m, got.events)
						}
						continue
					}
					last := got.events[len(got.events)-1]
					if at := got.end - 1 - int64(len(first)); last.Reason != string(test.reason) || at != test.at {
						t.Fatalf("%d segments, %+v: %q at %d, want %q at %d",
							len(segments), m, last.Reason, at, test.reason, test.at)
					}
				}
			}
		})
	}
}

// A token is part of what was scanned, not a copy.
func TestScanAliases(t *testing.T) {
	var s legacy.Scanner
	src := []byte("\x00abc\xff")
	tok, _, _ := s.Scan(src, false)
	if src[1] = 'x'; string(tok.Data) != "xbc" {
		t.Errorf("got %q, want %q", tok.Data, "xbc")
	}
}

// A message that its reader has no room for is taken back and scanned again in
// what pieces there is room for.
func TestScannerUndo(t *testing.T) {
	for _, start := range []string{"", "\x00before\xff", "\x05skipped\xff"} {
		s := legacy.Scanner{MaxMessage: 6}
		src := []byte(start + "\x00ab\u20acd\xff\x00e\xff")
		if start != "" {
			_, n, _ := s.Scan(src, false)
			src = src[n:]
		}
		if tok, _, _ := s.Scan(src, false); string(tok.Data) != "ab\u20acd" {
			t.Fatalf("after %q: got %q", start, tok.Data)
		}
		s.Undo()
		var pieces []string
		for _, size := range []int{2, 3, 3, 2, 3} {
			tok, n, err := s.Scan(src[:size], true)
			if err != nil {
				t.Fatalf("after %q: %v", start, err)
			}
			pieces = append(pieces, string(tok.Data))
			src = src[n:]
		}
		if got, want := strings.Join(pieces, "|"), "a|b|\u20ac|d|e"; got != want {
			t.Errorf("after %q: got %q, want %q", start, got, want)
		}
	}
}

func TestScannerAtBoundary(t *testing.T) {
	for _, test := range []struct {
		src  string
		idle bool
	}{
		{"", true},
		{"\x00a\xff", true},
		{"\x00a", false},
		{"\x01", false},
		{"\x80", false},
		{"\x80\x02a", false},
		{"\x80\x02aa", true},
		{"\xff\x00", false},
	} {
		s := legacy.Scanner{Dialect: legacy.Hixie76}
		for src := []byte(test.src); ; {
			tok, n, err := s.Scan(src, true)
			if src = src[n:]; tok.Kind == legacy.More || err != nil {
				break
			}
		}
		if s.AtBoundary() != test.idle {
			t.Errorf("%q: idle %v, want %v", test.src, s.AtBoundary(), test.idle)
		}
	}
}

// What a peer can make the Scanner do is bounded by what it sends.
func TestScanManyFrames(t *testing.T) {
	const frames = 10_000_000
	src := bytes.Repeat([]byte("\x00\xff"), 50_000)
	var s legacy.Scanner
	found := 0
	for range frames / 50_000 {
		for rest := src; len(rest) > 0; found++ {
			tok, n, err := s.Scan(rest, false)
			if tok.Kind != legacy.Text || !tok.Last || err != nil {
				t.Fatalf("message %d: %+v, %v", found, tok, err)
			}
			rest = rest[n:]
		}
	}
	if found != frames || s.Offset() != 2*frames {
		t.Errorf("%d messages in %d bytes", found, s.Offset())
	}
}

// An unfinished message that comes byte by byte is looked through once, not
// once for each byte: 2 million of them would take a day.
func TestScanByteByByte(t *testing.T) {
	src := make([]byte, 2_000_000)
	var s legacy.Scanner
	for i := range src {
		if tok, n, err := s.Scan(src[:i], false); tok.Kind != legacy.More || n != 0 || err != nil {
			t.Fatalf("byte %d: %+v, %d, %v", i, tok, n, err)
		}
	}
	if tok, n, err := s.Scan(append(src, 0xff), false); len(tok.Data) != len(src)-1 || n != len(src)+1 || err != nil {
		t.Errorf("got %d bytes of message, took %d, %v", len(tok.Data), n, err)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	for id, src := range map[string]string{
		"message":          "\x00hello\xff",
		"unfinished":       "\x00hello",
		"cut-character":    "\x00hello\xe2\x82",
		"reserved":         "\x01abc\xff\x80\x03abc",
		"hostile-length":   "\x80" + strings.Repeat("\xff", 8) + "\x7fabc",
		"closing":          "\xff\x00abc",
		"hostile-then-end": "\xfe\xc0\x80\x80\x00",
	} {
		for _, flush := range []bool{false, true} {
			in := []byte(src)
			if n := testing.AllocsPerRun(100, func() {
				s := legacy.Scanner{Dialect: legacy.Hixie76}
				for rest := in; ; {
					tok, n, _ := s.Scan(rest, flush)
					if rest = rest[n:]; tok.Kind == legacy.More {
						break
					}
				}
			}); n != 0 {
				t.Errorf("%s, flush %v: %v allocations", id, flush, n)
			}
		}
	}
}
