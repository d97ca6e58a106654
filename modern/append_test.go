package modern_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/modern"
)

// sizes are those on both sides of where a form of the length ends.
var sizes = []int{0, 1, 125, 126, 127, 65535, 65536, 70000}

var testKey = modern.Key{0x37, 0xfa, 0x21, 0x3d}

func TestAppendHeader(t *testing.T) {
	const key = "37fa213d"
	for _, test := range []struct {
		fin    bool
		op     modern.Opcode
		length uint64
		want   string
	}{
		{true, modern.Text, 0, "8180" + key},
		{false, modern.Text, 5, "0185" + key},
		{true, modern.Binary, 125, "82fd" + key},
		{true, modern.Binary, 126, "82fe007e" + key},
		{false, modern.Continuation, 65535, "00feffff" + key},
		{true, modern.Continuation, 65536, "80ff0000000000010000" + key},
		{true, modern.Binary, 1<<32 + 5, "82ff0000000100000005" + key},
		{true, modern.Binary, 1<<63 - 1, "82ff7fffffffffffffff" + key},
		{true, modern.Close, 2, "8882" + key},
		{true, modern.Ping, 0, "8980" + key},
		{true, modern.Pong, 125, "8afd" + key},
	} {
		const before = "before"
		got := modern.AppendHeader([]byte(before), test.fin, test.op, test.length, testKey)
		if want := before + string(unhex(t, test.want)); string(got) != want {
			t.Errorf("%v %d %d: got %x, want %x", test.fin, test.op, test.length, got, want)
		}
		want := modern.Header{Fin: test.fin, Opcode: test.op, Masked: true, Key: testKey, Length: test.length, Size: len(test.want) / 2}
		if h, ok := modern.ParseHeader(got[len(before):]); h != want || !ok {
			t.Errorf("%v %d %d: reads back %+v, %v, want %+v", test.fin, test.op, test.length, h, ok, want)
		}
	}
}

// A sent is a message in the fragments that it goes out in, each with a Ping
// behind it.
type sent struct {
	op        modern.Opcode
	fragments [][]byte
}

func (s sent) String() string { return fmt.Sprintf("%d in %d", len(s.whole()), len(s.fragments)) }
func (s sent) whole() []byte  { return bytes.Join(s.fragments, nil) }

func (s sent) append(dst []byte, keys *modern.KeySource) []byte {
	op := s.op
	for i, f := range s.fragments {
		dst = modern.AppendFrame(dst, i == len(s.fragments)-1, op, f, keys.Next())
		dst = modern.AppendFrame(dst, true, modern.Ping, []byte{byte(i)}, keys.Next())
		op = modern.Continuation
	}
	return dst
}

// messages are of every size, whole and in fragments.
func messages() (all []sent) {
	for _, size := range sizes {
		data := bytes.ReplaceAll(pattern(size), []byte{0}, []byte{1})
		all = append(all,
			sent{modern.Binary, [][]byte{data}},
			sent{modern.Text, [][]byte{[]byte(strings.Repeat("x", size))}},
			sent{modern.Binary, [][]byte{data[:size/3], data[size/3:]}},
			sent{modern.Binary, [][]byte{nil, data[:size/2], nil, data[size/2:], nil}},
		)
	}
	return all
}

// What is appended is what another implementation reads.
func TestAppendFrameGorilla(t *testing.T) {
	var keys modern.KeySource
	var stream []byte
	for _, s := range messages() {
		stream = s.append(stream, &keys)
	}
	stream = modern.AppendFrame(stream, true, modern.Pong, pattern(125), keys.Next())
	stream = modern.AppendClose(stream, modern.GoingAway, keys.Next())

	c := gorilla(t, &memory{in: bytes.NewReader(stream)}, 1024)
	var pings, pongs int
	c.SetPingHandler(func(string) error { pings++; return nil })
	c.SetPongHandler(func(data string) error {
		if pongs++; data != string(pattern(125)) {
			t.Errorf("pong %x", data)
		}
		return nil
	})
	want := 0
	for _, s := range messages() {
		kind, data, err := c.ReadMessage()
		if err != nil || modern.Opcode(kind) != s.op || !bytes.Equal(data, s.whole()) {
			t.Fatalf("%s: got %d bytes of kind %d, %v", s, len(data), kind, err)
		}
		want += len(s.fragments)
	}
	_, _, err := c.ReadMessage()
	if !websocket.IsCloseError(err, int(modern.GoingAway)) || pings != want || pongs != 1 {
		t.Errorf("%v, %d pings, %d pongs, want %d, %d, 1", err, pings, pongs, modern.GoingAway, want)
	}
}

// And it is what the Scanner reads.
func TestAppendFrameScan(t *testing.T) {
	var keys modern.KeySource
	for _, s := range messages() {
		stream := s.append(nil, &keys)
		var want []event
		for i := range s.fragments {
			if i == len(s.fragments)-1 {
				switch s.op {
				case modern.Text:
					want = append(want, event{Ev: "text", Text: string(s.whole())})
				default:
					want = append(want, event{Ev: "binary", Hex: fmt.Sprintf("%x", s.whole())})
				}
			}
			want = append(want, event{Ev: "ping", Hex: fmt.Sprintf("%02x", i)})
		}
		got := scan(t, &modern.Scanner{Server: true, MaxMessage: int64(max(len(s.whole()), 1))}, [][]byte{stream})
		if !reflect.DeepEqual(got.events, want) || got.state != "open" || got.taken != int64(len(stream)) {
			t.Errorf("%s: got %d events, %s", s, len(got.events), got.state)
		}
	}
}

// The Scanner reads what another implementation writes: its server's messages
// in frames as large as its buffer.
func TestScanGorilla(t *testing.T) {
	for _, buffer := range []int{16, 1024, 100_000} {
		m := &memory{}
		c := gorilla(t, m, buffer)
		var want []event
		for i, size := range sizes {
			c.WriteMessage(websocket.BinaryMessage, pattern(size))
			c.WriteControl(websocket.PingMessage, []byte{byte(i)}, time.Time{})
			w, _ := c.NextWriter(websocket.TextMessage)
			io.WriteString(w, strings.Repeat("x", size))
			c.WriteControl(websocket.PongMessage, nil, time.Time{})
			w.Close()
			want = append(want,
				event{Ev: "binary", Hex: fmt.Sprintf("%x", pattern(size))}, event{Ev: "ping", Hex: fmt.Sprintf("%02x", i)},
				event{Ev: "pong"}, event{Ev: "text", Text: strings.Repeat("x", size)},
			)
		}
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "bye"), time.Time{})
		want = append(want, event{Ev: "close", Code: 4000, Reason: "bye"})
		stream := m.out.Bytes()
		for _, size := range []int{len(stream), 13, 1000} {
			var segments [][]byte
			for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				segments = append(segments, rest[:min(size, len(rest))])
			}
			got := scan(t, &modern.Scanner{}, segments)
			if !reflect.DeepEqual(got.events, want) || got.state != "closed" {
				t.Fatalf("buffer %d, segments of %d: %d events, %s, want %d", buffer, size, len(got.events), got.state, len(want))
			}
		}
	}
}

func TestAppendClose(t *testing.T) {
	for _, code := range []uint16{modern.NormalClosure, modern.GoingAway, modern.TooBig, 3000, 4999, modern.NoStatus} {
		const before = "before"
		got := modern.AppendClose([]byte(before), code, testKey)
		if !bytes.HasPrefix(got, []byte(before)) {
			t.Fatalf("%d: got %x", code, got)
		}
		got = got[len(before):]
		var closed *websocket.CloseError
		c := gorilla(t, &memory{in: bytes.NewReader(got)}, 1024)
		if _, _, err := c.ReadMessage(); !errors.As(err, &closed) || closed.Code != int(code) || closed.Text != "" {
			t.Errorf("%d: gorilla reads %v", code, err)
		}
		want := event{Ev: "close", Code: code}
		if code == modern.NoStatus {
			want.Code = 0
		}
		back := scan(t, &modern.Scanner{Server: true}, [][]byte{got})
		if len(back.events) != 1 || back.events[0] != want {
			t.Errorf("%d: reads back %+v", code, back)
		}
	}
}

// A payload goes out masked and stays as it was.
func TestAppendFrameKeepsPayload(t *testing.T) {
	payload := pattern(1000)
	dst := make([]byte, 0, modern.MaxHeader+len(payload))
	if n := testing.AllocsPerRun(100, func() { modern.AppendFrame(dst, true, modern.Binary, payload, testKey) }); n != 0 {
		t.Errorf("%v allocations though there is room", n)
	}
	if !bytes.Equal(payload, pattern(1000)) {
		t.Errorf("the payload has become %x", payload)
	}
	if got := modern.AppendFrame(dst, true, modern.Binary, payload, testKey); !bytes.HasSuffix(got, naive(payload, testKey)) {
		t.Errorf("got %x", got)
	}
}
