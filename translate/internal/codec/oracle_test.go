package codec

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

var seedFlag = flag.Uint64("seed", 0, "of the random tests of the codecs; 0 = a new one")

// oracleRounds is how many streams each of the tests below makes.
const oracleRounds = 20

// A random makes what two peers may say to each other.
type random struct{ *rand.Rand }

func newRandom(t *testing.T) random {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test -run %s ./translate/internal/codec -seed %d", t.Name(), seed)
	return random{rand.New(rand.NewPCG(seed, 0))}
}

// upTo is a number below n, the small ones more often.
func (r random) upTo(n int) int { return r.IntN(r.IntN(n) + 1) }

func (r random) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// size is a length from 0 to 200 KB: often one at which a header changes.
func (r random) size() int {
	switch r.IntN(4) {
	case 0:
		return r.IntN(4)
	case 1:
		return []int{125, 126, 65535, 65536}[r.IntN(4)]
	case 2:
		return r.IntN(300)
	}
	return r.upTo(200_000)
}

// text is well-formed, of characters of all sizes or of one byte each.
func (r random) text() []byte {
	n, alphabet := r.size(), []rune("\x00a\x7f\u0080\u07ff\u0800\u20ac\ud7ff\ue000\ufffd\uffff\U00010000\U0001f600\U0010ffff")
	if r.IntN(2) == 0 {
		alphabet = alphabet[:3]
	}
	b := make([]byte, 0, n+utf8.UTFMax)
	for len(b) < n {
		b = utf8.AppendRune(b, alphabet[r.IntN(len(alphabet))])
	}
	return b
}

// spoiled is text some bytes of which are others, or all of them.
func (r random) spoiled() []byte {
	b := r.text()
	for range r.IntN(5) {
		if len(b) > 0 {
			b[r.IntN(len(b))] = byte(r.IntN(0xff))
		}
	}
	if r.IntN(4) == 0 {
		for i := range b {
			b[i] = byte(r.IntN(0xff))
		}
	}
	return b
}

// segments cuts data into pieces of random sizes.
func (r random) segments(data []byte) (cut [][]byte) {
	most := []int{16, 1000, 70_000, len(data) + 1}[r.IntN(4)]
	for len(data) > 0 {
		n := min(1+r.IntN(most), len(data))
		cut = append(cut, data[:n])
		data = data[n:]
	}
	return cut
}

// A memory is the connection below gorilla's: what it reads, and what it wrote.
type memory struct {
	net.Conn
	in  bytes.Reader
	out bytes.Buffer
}

func (m *memory) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

type hijacker struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// newGorilla is gorilla/websocket as the server of a connection, after the
// opening handshake.
func newGorilla(t *testing.T, in []byte, writeBuffer int) (*websocket.Conn, *memory) {
	t.Helper()
	m := &memory{}
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		req.Header.Set(name, value)
	}
	upgrader := websocket.Upgrader{WriteBufferSize: writeBuffer}
	conn, err := upgrader.Upgrade(hijacker{httptest.NewRecorder(), m}, req, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.out.Reset()
	m.in.Reset(in)
	return conn, m
}

// Whatever a legacy client says, gorilla reads its messages, and no more.
func TestUpOracle(t *testing.T) {
	r := newRandom(t)
	for range oracleRounds {
		d := []legacy.Dialect{legacy.Hixie75, legacy.Hixie76}[r.IntN(2)]
		wire, want, skipped := r.fromClient(d)
		size := []int{64, 4 << 10, 64 << 10, 256 << 10}[r.IntN(4)]
		f := upFits[r.IntN(2)]
		f.size = size
		u := newUp(d, 0, 0)
		got, c := carryUp(t, u, f, r.segments(wire))
		checkSame(t, got.messages, want)
		checkSame(t, readByGorilla(t, c.out), want)
		if u.summary.Skipped != skipped {
			t.Errorf("got %d skipped, want %d", u.summary.Skipped, skipped)
		}
		if closed := c.err == ErrClose; closed != (d == legacy.Hixie76) || !closed && len(c.in) > 0 {
			t.Errorf("got %v, %d bytes left", c.err, len(c.in))
		}
		if t.Failed() {
			t.Fatalf("-%s, buffer of %d bytes, %s", d, size, f.id)
		}
	}
}

// fromClient is a stream of a legacy client, with the messages that must
// arrive and the number of frames that must not; -76 ends with FF 00.
func (r random) fromClient(d legacy.Dialect) (wire []byte, want []string, skipped int64) {
	for range r.IntN(20) {
		switch r.IntN(4) {
		case 0:
			wire = append(wire, r.reserved(d)...)
			skipped++
		case 1:
			text := r.spoiled()
			wire = legacy.AppendText(wire, text)
			want = append(want, wantRepaired(text))
		default:
			text := r.text()
			wire = legacy.AppendText(wire, text)
			want = append(want, string(text))
		}
	}
	if d == legacy.Hixie76 {
		wire = append(wire, "\xff\x00\x00late\xff"...)
	}
	return wire, want, skipped
}

// reserved is a frame that a client must not send.
func (r random) reserved(d legacy.Dialect) []byte {
	n := r.upTo(20_000)
	if r.IntN(2) == 0 {
		b := r.bytes(n + 1)
		b[0] = 1 + b[0]&0x7e
		return append(bytes.ReplaceAll(b, []byte{0xff}, nil), 0xff)
	}
	kind := 0x80 | byte(r.Uint32())
	if kind == 0xff && d == legacy.Hixie76 {
		n++ // or it would close
	}
	b := append([]byte{kind}, bytes.Repeat([]byte{0x80}, r.IntN(3))...)
	b = append(b, 0x80|byte(n>>14), 0x80|byte(n>>7), byte(n&0x7f))
	return append(b, r.bytes(n)...)
}

func readByGorilla(t *testing.T, wire []byte) (messages []string) {
	t.Helper()
	conn, _ := newGorilla(t, wire, 0)
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			if !websocket.IsCloseError(err, websocket.CloseAbnormalClosure) {
				t.Error(err) // not just the end of the bytes
			}
			return messages
		}
		if kind != websocket.TextMessage || !utf8.Valid(data) {
			t.Errorf("got kind %d, %.50q", kind, data)
		}
		messages = append(messages, string(data))
	}
}

func checkSame(t *testing.T, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("message %d: got %d bytes, want %d: %.50q, want %.50q", i, len(got[i]), len(want[i]), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d messages, want %d", len(got), len(want))
	}
}

// Whatever gorilla says, a legacy client reads its messages, and no more.
func TestDownOracle(t *testing.T) {
	r := newRandom(t)
	for range oracleRounds {
		for _, policy := range []BinaryPolicy{BinaryClose, BinaryBase64, BinaryText, BinaryDrop} {
			s := r.fromGorilla(t, policy)
			f := downFits[r.IntN(2)]
			f.size = []int{256, 4 << 10, 64 << 10}[r.IntN(3)]
			d := newDown(0, policy)
			got, c := carryDown(t, d, f, r.segments(s.wire))
			checkSame(t, got.messages, s.messages)
			if !slices.Equal(c.pings, s.pings[:min(len(c.pings), len(s.pings))]) || len(c.pings) < s.answered {
				t.Errorf("got %d pings %q, want %d to %d, %q", len(c.pings), c.pings, s.answered, len(s.pings), s.pings)
			}
			if d.summary.Dropped != s.dropped {
				t.Errorf("got %d dropped, want %d", d.summary.Dropped, s.dropped)
			}
			if end := c.end(); end.reason != s.end || end.code != s.code {
				t.Errorf("got end %q %d, want %q %d", end.reason, end.code, s.end, s.code)
			}
			if t.Failed() {
				t.Fatalf("%s, buffer of %d bytes, %s", policy, f.size, f.id)
			}
		}
	}
}

// A said is what gorilla wrote, and what a client must get of it.
type said struct {
	wire     []byte
	messages []string
	pings    []string
	answered int // pings before the message that ends it all; the others may be seen
	dropped  int64
	end      string
	code     uint16
}

func (r random) fromGorilla(t *testing.T, policy BinaryPolicy) (s said) {
	t.Helper()
	conn, m := newGorilla(t, nil, 16<<r.IntN(9))
	for range r.IntN(20) {
		op, payload := websocket.TextMessage, r.text()
		if r.IntN(4) == 0 {
			op = websocket.BinaryMessage
			if r.IntN(2) == 0 {
				payload = r.bytes(len(payload))
			}
		}
		s.control(t, r, conn)
		before := len(s.pings)
		s.write(t, r, conn, op, payload)
		if s.end != "" {
			continue // nothing counts any more
		}
		if s.answered = before; op == websocket.BinaryMessage {
			s.binary(policy, payload)
		} else {
			s.messages = append(s.messages, string(payload))
		}
	}
	s.control(t, r, conn)
	code := []uint16{1000, 1001, 1011, 1014, 3000, 4999}[r.IntN(6)]
	payload := binary.BigEndian.AppendUint16(nil, code)
	if err := conn.WriteControl(websocket.CloseMessage, append(payload, "bye"...), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if s.end == "" {
		s.end, s.code, s.answered = backendClosed, code, len(s.pings)
	}
	s.wire = m.out.Bytes()
	return s
}

// binary is what the policy makes of a binary message.
func (s *said) binary(policy BinaryPolicy, payload []byte) {
	switch {
	case policy == BinaryBase64:
		s.messages = append(s.messages, wantBase64(payload))
	case policy == BinaryText && utf8.Valid(payload):
		s.messages = append(s.messages, string(payload))
	case policy == BinaryDrop:
		s.dropped++
	default:
		s.end, s.code = binaryMessage, modern.UnsupportedData
	}
}

// write writes a message in one frame, or in fragments with control frames
// between them.
func (s *said) write(t *testing.T, r random, conn *websocket.Conn, op int, payload []byte) {
	t.Helper()
	if r.IntN(2) == 0 {
		if err := conn.WriteMessage(op, payload); err != nil {
			t.Fatal(err)
		}
		return
	}
	w, err := conn.NextWriter(op)
	if err != nil {
		t.Fatal(err)
	}
	for len(payload) > 0 {
		n := min(1+r.upTo(2*len(payload)), len(payload))
		if _, err := w.Write(payload[:n]); err != nil {
			t.Fatal(err)
		}
		payload = payload[n:]
		s.control(t, r, conn)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// control writes some Pings and Pongs.
func (s *said) control(t *testing.T, r random, conn *websocket.Conn) {
	t.Helper()
	for range r.upTo(4) {
		op, payload := websocket.PongMessage, r.bytes(r.IntN(modern.MaxControl+1))
		if r.IntN(2) == 0 {
			op = websocket.PingMessage
			s.pings = append(s.pings, string(payload))
		}
		if err := conn.WriteControl(op, payload, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
}
