package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A downCase is a case of testdata/down.json: what a backend sends and what
// becomes of it.
type downCase struct {
	ID, Rule   string
	Binary     BinaryPolicy
	Chunks     []string `json:"chunks_hex"`
	Messages   []string // to the client
	Partial    *string  `json:"partial_hex"` // of a message that is not terminated, at most
	Pings      []string `json:"pings_hex"`
	Dropped    int64    // binary messages
	End        string   // "" = reads on
	Code       uint16   // of the Close to the backend
	Reason     string   // of the Close from the backend
	Inside     bool     // the bytes end inside a frame or a message
	MaxMessage int64    `json:"max_message"`
}

func downCases(t testing.TB) []downCase {
	t.Helper()
	var file struct {
		Schema int
		Down   []downCase
	}
	loadStrict(t, "testdata/down.json", &file)
	return atLeast(t, file.Down, 115)
}

// hybiVectors are those vectors of package modern that a server sends.
func hybiVectors(t testing.TB) (cases []downCase) {
	t.Helper()
	var file struct {
		Schema  int
		Receive []struct {
			ID, Role, Source string
			Versions         []string
			Chunks           []string        `json:"chunks_hex"`
			Events           []receivedEvent `json:"events"`
			EndState         string          `json:"end_state"`
			Lenient          bool
			MaxMessage       int64 `json:"max_message"`
		} `json:"hybi_receive"`
	}
	loadStrict(t, "../../../modern/testdata/frames.json", &file)
	for _, v := range file.Receive {
		if v.Role != "client" {
			continue
		}
		c := downCase{ID: "vector-" + v.ID, Binary: BinaryBase64, Chunks: v.Chunks, MaxMessage: v.MaxMessage}
		for _, e := range v.Events {
			switch e.Ev {
			case "text":
				c.Messages = append(c.Messages, e.Text)
			case "binary":
				c.Messages = append(c.Messages, inBase64(t, e.Hex))
			case "ping":
				c.Pings = append(c.Pings, e.Hex)
			case "close":
				c.End, c.Code, c.Reason = backendClosed, *e.Code, e.Reason
			case "fail":
				c.End, c.Code = e.Reason, *e.Code
			default:
				t.Fatalf("%s: event %q", v.ID, e.Ev)
			}
		}
		c.Inside = len(v.Events) == 0
		c.Partial = vectorPartials[v.ID]
		cases = append(cases, c)
	}
	return atLeast(t, cases, 23)
}

// vectorPartials is what the vectors do not say: how much of a message that
// comes to nothing may already be out.
var vectorPartials = map[string]*string{
	"close-inside-fragments": new("48656c"),
	"text-invalid-utf8":      new("61"),
	"limit-across-fragments": new("616263"),
}

var downFits = []fit{
	{"large", largeBuffer, largeRoom},
	{"short-dst", largeBuffer, func(int) int { return MinRoom }},
	{"short", modern.MaxHeader + modern.MaxControl, func(int) int { return MinRoom }},
	{"with-rest", largeBuffer, leastRoom},
	{"with-rest-short", 512, leastRoom},
}

// A toClient is what a legacy client reads.
type toClient struct {
	messages []string
	begun    bool   // a message has no end yet
	partial  string // what there is of it
}

// readByClient reads what Down wrote, all of it: messages of well-formed text
// and, at the end, perhaps the beginning of one.
func readByClient(t testing.TB, wire []byte) (got toClient) {
	t.Helper()
	s := legacy.Scanner{Dialect: legacy.Hixie76}
	for len(wire) > 0 {
		tok, n, err := s.Scan(wire, false)
		if err == nil && tok.Kind == legacy.More && n == 0 && wire[0] == 0x00 {
			got.begun, got.partial = true, string(wire[1:])
			break
		}
		if err != nil || tok.Kind != legacy.Text || !utf8.Valid(tok.Data) {
			t.Fatalf("%x: %+v, %v", wire, tok, err)
		}
		got.messages = append(got.messages, string(tok.Data))
		wire = wire[n:]
	}
	if !canBecomeUTF8([]byte(got.partial)) {
		t.Fatalf("%x goes to the client", got.partial)
	}
	return got
}

// carryDown carries segments and reads the result.
func carryDown(t testing.TB, d *Down, f fit, segments [][]byte) (toClient, *carrier) {
	t.Helper()
	c := &carrier{TB: t, tr: d, size: f.size, room: f.room}
	c.carry(segments...)
	got := readByClient(t, c.out)
	if d.MidMessage() != got.begun {
		t.Fatalf("unfinished %v after %x", d.MidMessage(), c.out)
	}
	messages, size := d.Counts()
	if want := len(strings.Join(got.messages, "") + got.partial); int(messages) != len(got.messages) || int(size) != want {
		t.Fatalf("counts %d, %d, want %d, %d", messages, size, len(got.messages), want)
	}
	return got, c
}

func TestDown(t *testing.T) {
	for _, v := range append(downCases(t), hybiVectors(t)...) {
		t.Run(v.ID, func(t *testing.T) {
			whole, chunks := unhexAll(t, v.Chunks)
			for _, f := range downFits {
				for i, segments := range append(allCuts(whole), chunks) {
					v.run(t, f, segments, i == 0)
					if t.Failed() {
						t.Fatalf("%s, %x", f.id, segments)
					}
				}
			}
		})
	}
}

func (v downCase) run(t *testing.T, f fit, segments [][]byte, whole bool) {
	t.Helper()
	d := newDown(v.MaxMessage, v.Binary)
	got, c := carryDown(t, d, f, segments)
	if !slices.Equal(got.messages, v.Messages) {
		t.Errorf("got %+q, want %+q", got.messages, v.Messages)
	}
	v.checkPartial(t, got, whole && f.id == "large")
	if pings := hexAll(c.pings); !slices.Equal(pings, v.Pings) {
		t.Errorf("got pings %q, want %q", pings, v.Pings)
	}
	if end := c.end(); end.reason != v.End || end.code != v.Code {
		t.Errorf("got end %q %d, want %q %d", end.reason, end.code, v.End, v.Code)
	}
	var closed *CloseError
	if errors.As(c.err, &closed) && closed.Reason != v.Reason {
		t.Errorf("got close reason %q, want %q", closed.Reason, v.Reason)
	}
	if d.summary.Dropped != v.Dropped {
		t.Errorf("got %d dropped, want %d", d.summary.Dropped, v.Dropped)
	}
	if inside := !d.AtBoundary() || len(c.in) > 0; c.err == nil && inside != v.Inside {
		t.Errorf("got inside %v, want %v", inside, v.Inside)
	}
}

// checkPartial is for a message that is not terminated. As long as nothing is
// wrong it does not depend on the cuts what is out. When something is, it does:
// what came together with the fault is not given, so of a message that came
// together with it, nothing.
func (v downCase) checkPartial(t *testing.T, got toClient, whole bool) {
	t.Helper()
	partial := hex.EncodeToString([]byte(got.partial))
	if v.Partial == nil {
		if got.begun {
			t.Errorf("got %x begun, want nothing", got.partial)
		}
		return
	}
	switch {
	case v.End == "":
		if !got.begun || partial != *v.Partial {
			t.Errorf("got %q begun %v, want %q", partial, got.begun, *v.Partial)
		}
	case whole && (v.End == invalidUTF8 || v.End == binaryMessage):
		if got.begun {
			t.Errorf("got %q begun, want nothing", partial)
		}
	case !strings.HasPrefix(*v.Partial, partial):
		t.Errorf("got %q begun, want the beginning of %q", partial, *v.Partial)
	}
}

func hexAll(list []string) (all []string) {
	for _, s := range list {
		all = append(all, hex.EncodeToString([]byte(s)))
	}
	return all
}

func inBase64(t testing.TB, hexed string) string {
	t.Helper()
	b, err := hex.DecodeString(hexed)
	if err != nil {
		t.Fatal(err)
	}
	return wantBase64(b)
}

// wantBase64 is RFC 4648 section 4, bit by bit: the oracle of base64.
func wantBase64(p []byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var b strings.Builder
	for group := range slices.Chunk(p, 3) {
		bits := 0
		for i := range 3 {
			bits <<= 8
			if i < len(group) {
				bits |= int(group[i])
			}
		}
		for i := range 4 {
			if i > len(group) {
				b.WriteByte('=')
			} else {
				b.WriteByte(alphabet[bits>>(18-6*i)&63])
			}
		}
	}
	return b.String()
}

// The output fits dst whatever its room is, down to the smallest, for every
// length of a message near it, whether the header comes with it or before.
func TestDownRooms(t *testing.T) {
	for _, policy := range []BinaryPolicy{BinaryBase64, BinaryText} {
		for room := MinRoom; room < MinRoom+13; room++ {
			for n := range 2 * MinRoom {
				payload := strings.Repeat("x", n)
				frame := fromServer(true, modern.Binary, []byte(payload))
				header := frame[:len(frame)-n]
				f := fit{size: largeBuffer, room: func(int) int { return room }}
				got, _ := carryDown(t, newDown(0, policy), f, [][]byte{append(frame, header...), frame[len(header):]})
				want := payload
				if policy == BinaryBase64 {
					want = wantBase64([]byte(payload))
				}
				if !slices.Equal(got.messages, []string{want, want}) {
					t.Fatalf("%s, room %d, %d bytes: got %q", policy, room, n, got.messages)
				}
			}
		}
	}
}

// Nothing is given of a binary message that turns out to be no text, however it is cut, if
// it is one frame of at most maxChecked bytes. Of a longer one, of a fragmented one, and of
// one that does not come on, something may be.
func TestDownChecksBinaryFirst(t *testing.T) {
	for _, test := range []struct {
		id      string
		size    int
		first   string // frames before the last
		full    bool
		nothing bool
	}{
		{"short", 10, "", false, true},
		{"as long as may be", maxChecked, "", false, true},
		{"too long", maxChecked + 1, "", false, false},
		{"fragmented", 10, "\x02\x01a", false, false},
		{"nothing more comes", 10, "", true, false},
	} {
		op := modern.Binary
		if test.first != "" {
			op = modern.Continuation
		}
		ill := append([]byte(test.first), fromServer(true, op, append(bytes.Repeat([]byte("a"), test.size-1), 0xff))...)
		for cut := 1; cut < len(ill); cut += 1 + len(ill)/64 {
			for _, server := range []bool{false, true} {
				if server && test.first != "" {
					continue
				}
				d, in := newDown(0, BinaryText), bytes.Clone(ill)
				if server {
					d, in = NewServerDown(0, false, BinaryText, new(Summary)), modern.AppendFrame(nil, true, op, ill[len(ill)-test.size:], modern.Key{1, 2, 3, 4})
				}
				dst := make([]byte, len(in)+MinRoom)
				nDst, nSrc, err := d.Transform(dst, in[:cut], test.full)
				if err != nil {
					t.Fatal(err)
				}
				n, _, err := d.Transform(dst, in[nSrc:], false)
				if given := nDst + n; err != ErrBinary || given > 0 && test.nothing || d.MidMessage() && test.nothing {
					t.Fatalf("%s, cut at %d: %d bytes given, %v", test.id, cut, given, err)
				}
			}
		}
	}
}

func newDown(maxMessage int64, binary BinaryPolicy) *Down {
	return NewDown(maxMessage, binary, new(Summary))
}

// fromServer is a frame as a server sends it.
func fromServer(fin bool, op modern.Opcode, payload []byte) []byte {
	masked := modern.AppendHeader(nil, fin, op, uint64(len(payload)), modern.Key{})
	masked[1] &^= 0x80
	return append(masked[:len(masked)-len(modern.Key{})], payload...)
}

// Without room for a control frame nothing is taken.
func TestDownWantsRoom(t *testing.T) {
	d := newDown(0, BinaryClose)
	src := fromServer(true, modern.Text, []byte("a"))
	nDst, nSrc, err := d.Transform(make([]byte, MinRoom-1), src, false)
	if nDst != 0 || nSrc != 0 || err != io.ErrShortBuffer {
		t.Fatalf("got %d, %d, %v, want 0, 0, %v", nDst, nSrc, err, io.ErrShortBuffer)
	}
	nDst, nSrc, err = d.Transform(make([]byte, MinRoom), src, false)
	if nDst != 3 || nSrc != 3 || err != nil {
		t.Fatalf("got %d, %d, %v, want 3, 3, nil", nDst, nSrc, err)
	}
}

// An error is repeated by the scanner; a Close frame and a binary message are
// not errors of the stream, and what follows them is still read.
func TestDownAfterTheEnd(t *testing.T) {
	for _, test := range []struct {
		id  string
		src []byte
		end string
		// again is the end of what follows: a Close with 1001.
		again string
		code  uint16
	}{
		{"close", []byte{0x88, 0}, backendClosed, backendClosed, 1001},
		{"binary", fromServer(true, modern.Binary, nil), binaryMessage, backendClosed, 1001},
		{"text-utf8", fromServer(true, modern.Text, []byte("\xff")), invalidUTF8, backendClosed, 1001},
		{"opcode", []byte{0x83, 0}, modern.ReservedOpcode, modern.ReservedOpcode, 1002},
	} {
		t.Run(test.id, func(t *testing.T) {
			c := &carrier{TB: t, tr: newDown(0, BinaryClose), size: largeBuffer, room: largeRoom}
			c.carry(test.src)
			if got := c.end().reason; got != test.end {
				t.Fatalf("got %q, want %q", got, test.end)
			}
			c.in, c.err = nil, nil
			c.carry([]byte{0x88, 2, 0x03, 0xe9})
			if got := c.end(); got.reason != test.again || got.code != test.code {
				t.Errorf("got %q %d, want %q %d", got.reason, got.code, test.again, test.code)
			}
		})
	}
}

func TestDownErrors(t *testing.T) {
	for _, test := range []struct {
		id   string
		err  error
		want string
	}{
		{"ping", Ping("x"), "codec: Ping"},
		{"close", &CloseError{1000, "bye"}, `closed with 1000 "bye"`},
		{"close-quoted", &CloseError{4000, "a\n\x1b"}, `closed with 4000 "a\n\x1b"`},
		{"close-long", &CloseError{3000, strings.Repeat("x", 200)}, fmt.Sprintf("closed with 3000 %q", strings.Repeat("x", 123))},
	} {
		t.Run(test.id, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
