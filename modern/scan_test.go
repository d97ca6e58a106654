package modern_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/ws76/ws76/modern"
)

func TestScan(t *testing.T) {
	for _, v := range loadFrames(t) {
		t.Run(v.ID, func(t *testing.T) {
			whole, chunks := v.bytes(t)
			want := scan(t, v.scanner(), [][]byte{whole})
			if len(want.events)+len(v.Events) > 0 && !reflect.DeepEqual(want.events, v.Events) || want.state != v.EndState {
				t.Fatalf("got  %+v, %s\nwant %+v, %s", want.events, want.state, v.Events, v.EndState)
			}
			for _, segments := range append(cuts(whole), chunks) {
				if got := scan(t, v.scanner(), segments); !reflect.DeepEqual(got, want) {
					t.Fatalf("%x:\ngot  %+v\nwant %+v", segments, got, want)
				}
			}
		})
	}
}

// A limit counts the payload of a message's frames. The header that goes beyond
// it fails, before any of its payload has come.
func TestScanLimits(t *testing.T) {
	const first = "\x81\x02hi\x89\x01p" // 7 bytes within every limit
	huge := "\x7f" + strings.Repeat("\xff", 7)
	for _, test := range []struct {
		id     string
		limit  int64
		src    string
		reason string
		at     int64 // offset of the frame that fails
	}{
		{"below", 4, "\x81\x03abc", "", 0},
		{"at", 4, "\x81\x04abcd", "", 0},
		{"above", 4, "\x81\x05", modern.MessageTooBig, 0},
		{"binary-above", 4, "\x82\x05", modern.MessageTooBig, 0},
		{"fragments-at", 4, "\x01\x02ab\x00\x01c\x80\x01d", "", 0},
		{"fragments-above", 4, "\x01\x02ab\x00\x01c\x80\x02", modern.MessageTooBig, 7},
		{"fragments-above-not-last", 4, "\x01\x04abcd\x00\x01", modern.MessageTooBig, 6},
		{"fragments-empty", 4, "\x01\x04abcd" + strings.Repeat("\x00\x00", 20) + "\x80\x00", "", 0},
		{"each-message-anew", 4, "\x81\x04abcd\x02\x03abc\x80\x01d\x81\x04abcd", "", 0},
		{"control-does-not-count", 4, "\x01\x04abcd\x89\x08abcdefgh\x80\x00", "", 0},
		{"huge", 4, "\x82\x7f" + huge, modern.MessageTooBig, 0},
		{"16-bits-at", 65535, "\x82\x7e\xff\xff", "", 0},
		{"16-bits-above", 65534, "\x82\x7e\xff\xff", modern.MessageTooBig, 0},
		{"64-bits-at", 1 << 32, "\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", "", 0},
		{"64-bits-above", 1<<32 - 1, "\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", modern.MessageTooBig, 0},
		{"unlimited", 0, "\x82\x7f" + huge, "", 0},
		{"unlimited-to-the-sum-of-2-to-63", 0, "\x02\x01a\x00\x7f" + huge, modern.MessageTooBig, 3},
		{"limit-of-2-to-63", math.MaxInt64, "\x82\x7f" + huge, "", 0},
		{"msb", 4, "\x82\x7f\x80" + strings.Repeat("\x00", 7), modern.LengthMSB, 0},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, segments := range cuts([]byte(first + test.src)) {
				got := scan(t, &modern.Scanner{MaxMessage: test.limit}, segments)
				if test.reason == "" {
					if got.state != "open" || got.taken != int64(len(first+test.src)) {
						t.Fatalf("%x: %+v", segments, got)
					}
					continue
				}
				last := got.events[len(got.events)-1]
				if at := got.taken - int64(len(first)); last.Reason != string(test.reason) || at != test.at {
					t.Fatalf("%x: %q at %d, want %q at %d", segments, last.Reason, at, test.reason, test.at)
				}
			}
			if test.reason == "" {
				return
			}
			// The last byte of the header is the first that tells.
			short := []byte(first + test.src)
			if got := scan(t, &modern.Scanner{MaxMessage: test.limit}, [][]byte{short[:len(short)-1]}); got.state != "open" {
				t.Errorf("a byte less: %+v", got)
			}
		})
	}
}

// Every combination of a header's bits but the length's is right or wrong for
// the reason that section 5 gives, in the order of the table.
func TestScanHeaders(t *testing.T) {
	for b0 := range 256 {
		for _, masked := range []bool{false, true} {
			for _, server := range []bool{false, true} {
				for _, inside := range []bool{false, true} {
					fin, op := b0&0x80 != 0, b0&0x0f
					var want string
					switch {
					case b0&0x70 != 0:
						want = modern.ReservedBits
					case op >= 3 && op <= 7 || op >= 11:
						want = modern.ReservedOpcode
					case masked != server:
						want = modern.WrongMask
					case op >= 8 && !fin:
						want = modern.FragmentedControl
					case op == 0 && !inside:
						want = modern.UnexpectedContinuation
					case (op == 1 || op == 2) && inside:
						want = modern.ExpectedContinuation
					}
					var stream []byte
					if inside {
						stream = append(stream, frame(0x02, server, "a")...)
					}
					stream = append(stream, frame(byte(b0), masked, "")...)
					got := scan(t, &modern.Scanner{Server: server}, [][]byte{stream})
					var reason string
					if got.state == "failed" {
						reason = got.events[len(got.events)-1].Reason
					}
					if reason != string(want) {
						t.Errorf("byte %#x, masked %v, server %v, inside %v: got %q, want %q", b0, masked, server, inside, reason, want)
					}
				}
			}
		}
	}
}

// frame is one of a short payload with the key 0, which changes nothing.
func frame(b0 byte, masked bool, payload string) []byte {
	if masked {
		return append([]byte{b0, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	return append([]byte{b0, byte(len(payload))}, payload...)
}

// In the long forms of a length, a Close frame is the largest that may have to
// be seen as a whole.
func TestScanLongForms(t *testing.T) {
	payload := binary.BigEndian.AppendUint16(nil, modern.NormalClosure)
	payload = append(payload, strings.Repeat("x", modern.MaxControl-len(payload))...)
	for _, head := range []string{"\x88\xfd", "\x88\xfe\x00\x7d", "\x88\xff\x00\x00\x00\x00\x00\x00\x00\x7d"} {
		src := append([]byte(head+"\x00\x00\x00\x00"), payload...)
		for _, segments := range cuts(src) {
			got := scan(t, &modern.Scanner{Server: true, Lenient: true}, segments)
			if len(got.events) != 1 || got.events[0].Code != modern.NormalClosure || got.taken != int64(len(src)) {
				t.Fatalf("%x: %+v", segments, got)
			}
		}
		strict := scan(t, &modern.Scanner{Server: true}, [][]byte{src})
		if long := len(head) > 2; long != (strict.state == "failed") {
			t.Errorf("%x: %+v", head, strict)
		}
	}
}

// Lengths on both sides of where a form ends. Strictly, each has one form.
func TestScanLengthForms(t *testing.T) {
	for _, test := range []struct {
		head    string
		minimal bool
	}{
		{"\x82\x7d", true},
		{"\x82\x7e\x00\x7d", false},
		{"\x82\x7e\x00\x7e", true},
		{"\x82\x7e\xff\xff", true},
		{"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x00", false},
		{"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", false},
		{"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", true},
	} {
		for _, lenient := range []bool{false, true} {
			got := scan(t, &modern.Scanner{Lenient: lenient}, [][]byte{[]byte(test.head)})
			if want := lenient || test.minimal; (got.state == "open") != want {
				t.Errorf("%x, lenient %v: %+v", test.head, lenient, got)
			}
		}
	}
}

// Control frames may stand between any two fragments, and only there.
func TestScanControlBetweenFragments(t *testing.T) {
	for _, server := range []bool{false, true} {
		var stream []byte
		want := scanned{state: "open"}
		for i, piece := range []string{"He", "", "ll", "o"} {
			b0 := byte(0x00)
			switch i {
			case 0:
				b0 = 0x01
			case 3:
				b0 = 0x80
			}
			stream = append(stream, frame(b0, server, piece)...)
			if i < 3 {
				stream = append(stream, frame(0x89, server, piece)...)
				stream = append(stream, frame(0x8a, server, "")...)
				want.events = append(want.events, event{Ev: "ping", Hex: hex.EncodeToString([]byte(piece))}, event{Ev: "pong"})
			}
		}
		want.events = append(want.events, event{Ev: "text", Text: "Hello"})
		want.taken = int64(len(stream))
		for _, segments := range cuts(stream) {
			if got := scan(t, &modern.Scanner{Server: server}, segments); !reflect.DeepEqual(got, want) {
				t.Fatalf("%x:\ngot  %+v\nwant %+v", segments, got, want)
			}
		}
	}
}

// A token is part of what was scanned, not a copy, and unmasked there.
func TestScanAliases(t *testing.T) {
	for _, test := range []struct {
		id     string
		server bool
		src    string
	}{
		{"short", false, "\x81\x03abc"},
		{"long", false, "\x82\x7e\x00\x7e" + strings.Repeat("a", 126)},
		{"masked", true, "\x82\x83\x01\x02\x03\x04\x60\x60\x60"},
		{"control", true, "\x89\x83\x01\x02\x03\x04\x60\x60\x60"},
	} {
		src := []byte(test.src)
		tok, n, err := (&modern.Scanner{Server: test.server}).Scan(src)
		if err != nil || n != len(src) || &tok.Data[len(tok.Data)-1] != &src[len(src)-1] || tok.Data[0] != 'a' {
			t.Errorf("%s: %q, %d, %v", test.id, tok.Data, n, err)
		}
	}
}

func TestScannerAtBoundary(t *testing.T) {
	for _, test := range []struct {
		src  string
		idle bool
	}{
		{"", true},
		{"\x81", true},
		{"\x81\x00", true},
		{"\x81\x02", false},
		{"\x81\x02a", false},
		{"\x81\x02ab", true},
		{"\x01\x00", false},
		{"\x01\x00\x89\x00", false},
		{"\x01\x00\x80\x01", false},
		{"\x01\x00\x80\x00", true},
		{"\x89\x02", true},
	} {
		var s modern.Scanner
		scan(t, &s, [][]byte{[]byte(test.src)})
		if s.AtBoundary() != test.idle {
			t.Errorf("%x: idle %v, want %v", test.src, s.AtBoundary(), test.idle)
		}
	}
}

// No length that a peer declares costs memory.
func TestScanAllocatesNothing(t *testing.T) {
	for id, test := range map[string]struct {
		s   modern.Scanner
		src []byte
	}{
		"short":          {modern.Scanner{}, []byte("\x81\x05Hello")},
		"masked":         {modern.Scanner{Server: true}, frame(0x81, true, "Hello")},
		"unfinished":     {modern.Scanner{}, []byte("\x81\x05Hel")},
		"fragments":      {modern.Scanner{}, []byte("\x01\x03Hel\x89\x01p\x80\x02lo")},
		"close":          {modern.Scanner{Server: true}, frame(0x88, true, "\x03\xe8bye")},
		"hostile-length": {modern.Scanner{}, []byte("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffabc")},
		"hostile-masked": {modern.Scanner{Server: true}, []byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00abc")},
		"partial-header": {modern.Scanner{}, []byte("\x82\x7f\x7f\xff")},
	} {
		if n := testing.AllocsPerRun(100, func() {
			s := test.s
			for rest := test.src; ; {
				tok, n, err := s.Scan(rest)
				if err != nil {
					t.Fatal(err)
				}
				if rest = rest[n:]; tok.Kind == modern.More {
					break
				}
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", id, n)
		}
	}
}

// A frame of 2^63-1 bytes goes on and on: its payload is handed out as it
// comes, its mask in step.
func TestScanHugeFrame(t *testing.T) {
	s := modern.Scanner{Server: true}
	key := modern.Key{1, 2, 3, 4}
	src := append([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), key[:]...)
	if tok, n, err := s.Scan(src); tok.Kind != modern.More || n != len(src) || err != nil {
		t.Fatalf("header: %+v, %d, %v", tok, n, err)
	}
	for size := range 1000 {
		piece := bytes.Repeat([]byte("a"), size+1)
		modern.Mask(piece, piece, key.Rotate(int((s.Offset()-int64(len(src)))&3)))
		tok, n, err := s.Scan(piece)
		if tok.Last || n != len(piece) || err != nil || string(tok.Data) != strings.Repeat("a", size+1) {
			t.Fatalf("piece of %d: %.64q, %d, %v", size+1, tok.Data, n, err)
		}
	}
}

// More comes with bytes taken where a header ends and its payload has not come.
func TestScanHeaderAlone(t *testing.T) {
	var s modern.Scanner
	for _, step := range []struct {
		src  string
		kind modern.Kind
		n    int
	}{
		{"\x82", modern.More, 0},
		{"\x82\x03", modern.More, 2},
		{"", modern.More, 0},
		{"abc", modern.Message, 3},
	} {
		if tok, n, err := s.Scan([]byte(step.src)); tok.Kind != step.kind || n != step.n || err != nil {
			t.Errorf("%q: got %+v, %d, %v, want %d, %d", step.src, tok, n, err, step.kind, step.n)
		}
	}
}
