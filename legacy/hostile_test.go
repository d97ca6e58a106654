package legacy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// A flood is a peer that sends head once and then unit again and again, and costs nothing
// itself: what is allocated while one reads from it is the reader's.
type flood struct {
	net.Conn
	head, unit string
	most       int // bytes of a Read; 0 is as many as are asked for
	total      int // bytes after which it ends TCP
	sent       int
	at         int
	live       uint64 // the most that was allocated and in use at any Read that was looked at
	looks      int
}

func (f *flood) Read(p []byte) (int, error) {
	f.look()
	if f.most > 0 {
		p = p[:min(f.most, len(p))]
	}
	n := 0
	for n < len(p) && f.sent < f.total {
		from := f.unit
		if f.head != "" {
			from = f.head
		}
		m := copy(p[n:min(len(p), n+f.total-f.sent)], from[f.at:])
		n, f.sent, f.at = n+m, f.sent+m, f.at+m
		if f.at == len(from) {
			f.at, f.head = 0, ""
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// look measures what is in use, each time that twice as much has been sent.
func (f *flood) look() {
	if f.sent < 4096<<f.looks {
		return
	}
	f.looks++
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	f.live = max(f.live, m.HeapAlloc)
}

// cost is what use allocates: all of it together, how many times, and the most of it in use.
func cost(f *flood, use func(net.Conn)) (total, mallocs, live uint64) {
	f.unit = strings.Repeat(f.unit, max(1, 4096/len(f.unit)))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f.live = before.HeapAlloc
	use(f)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs, f.live - before.HeapAlloc
}

const (
	hostileLimit = 64 << 10
	slack        = 16 << 10 // the Conn, its reader of 4 KiB, errors
)

// What a peer sends costs no more than the read limit, whatever it announces, however much
// it sends and however slowly.
func TestHostilePeerCostsItsLimit(t *testing.T) {
	const gone = 16 << 20
	length := "\x80" + strings.Repeat("\xff", 8)
	for id, test := range map[string]struct {
		f       flood
		noLimit bool
		reason  string // of the end; "" is the end of TCP
		sent    int    // that were read, at most
		keeps   uint64 // bytes in use at most, besides slack
	}{
		"endless message":     {flood{head: "\x00", unit: "a"}, false, legacy.MessageTooBig, 2 * hostileLimit, 2 * hostileLimit},
		"ill-formed message":  {flood{head: "\x00", unit: "\xc3"}, false, legacy.MessageTooBig, 2 * hostileLimit, 2 * hostileLimit},
		"trickled message":    {flood{head: "\x00", unit: "a", most: 1}, false, legacy.MessageTooBig, 2 * hostileLimit, 2 * hostileLimit},
		"endless reserved":    {flood{head: "\x01", unit: "a"}, false, legacy.SkipTooBig, 2 * hostileLimit, 0},
		"length of 2^63":      {flood{head: length + "\xff", unit: "a"}, false, legacy.SkipTooBig, slack, 0},
		"length overflows":    {flood{head: length + "\xff\xff", unit: "a"}, true, legacy.LengthOverflow, slack, 0},
		"length of 2^62":      {flood{head: length + "\x7f", unit: "a"}, true, "", gone, 0},
		"endless length":      {flood{head: "\x80", unit: "\x80"}, false, "", gone, 0},
		"many reserved":       {flood{unit: "\x01abc\xff\x80\x02ab\x80\x00"}, false, "", gone, 0},
		"trickled reserved":   {flood{unit: "\x80\x02ab", most: 1}, false, "", gone >> 4, 0},
		"closed and goes on":  {flood{head: "\xff\x00", unit: "\x00a\xff"}, false, "EOF", gone, 0},
		"closing in a length": {flood{head: "\xff\x80\x80", unit: "\x80"}, false, "", gone, 0},
	} {
		t.Run(id, func(t *testing.T) {
			f := &test.f
			f.total = gone
			if f.most > 0 {
				f.total = gone >> 4
			}
			var err error
			total, mallocs, live := cost(f, func(conn net.Conn) {
				c := legacy.NewConn(conn, bufio.NewReader(conn), legacy.Hixie76)
				c.SetReadLimit(hostileLimit)
				if test.noLimit {
					c.SetReadLimit(0)
				}
				_, err = c.ReadText()
			})
			switch want := test.reason; {
			case want == "" && err == io.ErrUnexpectedEOF, want == "EOF" && err == io.EOF, want != "" && reason(err) == want:
			default:
				t.Errorf("got %v, want %q", err, test.reason)
			}
			if f.sent > test.sent {
				t.Errorf("read %d bytes, want at most %d", f.sent, test.sent)
			}
			if live > test.keeps+slack {
				t.Errorf("%d bytes in use, want at most %d", live, test.keeps+slack)
			}
			// A buffer that grows by a quarter comes to five times its last size in all.
			if total > 5*test.keeps+2*slack || mallocs > 200 {
				t.Errorf("allocated %d bytes in %d pieces", total, mallocs)
			}
		})
	}
}

// Messages without end cost their own text, once each, and nothing is kept of them.
func TestManyMessagesCostTheirText(t *testing.T) {
	const unit = "\x00hello, world\xff\x80\x02ab"
	f := &flood{unit: unit, total: 1 << 20}
	n := 0
	_, mallocs, live := cost(f, func(conn net.Conn) {
		c := legacy.NewConn(conn, bufio.NewReader(conn), legacy.Hixie76)
		for {
			text, err := c.ReadText()
			if err != nil {
				return
			}
			if text != "hello, world" {
				t.Fatalf("got %q", text)
			}
			n++
		}
	})
	if want := f.total / len(f.unit) * (4096 / len(unit)); n < want {
		t.Errorf("%d messages, want at least %d", n, want)
	}
	if mallocs > uint64(n)+200 || live > slack {
		t.Errorf("%d allocations for %d messages, %d bytes in use", mallocs, n, live)
	}
	c := legacy.NewConn(&discard{}, nil, legacy.Hixie76)
	if perMessage := testing.AllocsPerRun(1000, func() { c.WriteText("hello, world") }); perMessage > 1 {
		t.Errorf("%v allocations for a message that is sent", perMessage)
	}
}

type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// An answer without end costs a client no more than its head may have.
func TestHostileServerCostsAHead(t *testing.T) {
	for id, f := range map[string]flood{
		"one line":       {unit: "a"},
		"many fields":    {head: "HTTP/1.1 101 WebSocket Protocol Handshake\r\n", unit: "A: b\r\n"},
		"empty lines":    {unit: "\n"},
		"trickled":       {head: "HTTP/1.1 101 ", unit: "a", most: 1},
		"carriage turns": {unit: "\r"},
	} {
		t.Run(id, func(t *testing.T) {
			f.total = 8 << 20
			var err error
			total, _, live := cost(&f, func(conn net.Conn) {
				r := example(legacy.Hixie76)
				err = r.ReadResponse(bufio.NewReader(conn))
			})
			if reason(err) != legacy.BadResponse || f.sent > 32<<10 {
				t.Errorf("got %v after %d bytes, want %s", err, f.sent, legacy.BadResponse)
			}
			if live > 32<<10+slack || total > 128<<10 {
				t.Errorf("%d bytes in use, %d allocated", live, total)
			}
		})
	}
}

// However a stream is cut, a Conn returns its messages, keeps its limit and ends; and what
// it returns another Conn can send and read again.
func FuzzConn(f *testing.F) {
	corpus := seeds{F: f}
	receive, _ := loadFrames(f)
	for _, v := range receive {
		whole, chunks := v.bytes(f)
		corpus.add(whole, uint8(len(chunks[0])), uint8(v.MaxMessage))
	}
	for _, s := range []string{"\x00a\xff\xff\x00", "\x80\x7f\x00", "\x00\xc3\xff\x01x\xff\x00b\xff", "\x80" + strings.Repeat("\xff", 10) + "\x7f"} {
		corpus.add([]byte(s), uint8(3), uint8(16))
	}
	corpus.atLeast(50)
	f.Fuzz(func(t *testing.T, data []byte, size, limit uint8) {
		want, wantErr := readAll(t, data, max(len(data), 1), limit)
		got, err := readAll(t, data, int(size)+1, limit)
		if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) || reason(err) != reason(wantErr) || errors.Is(err, io.EOF) != errors.Is(wantErr, io.EOF) {
			t.Fatalf("in pieces of %d: got %q, %v, want %q, %v", size, got, err, want, wantErr)
		}
		out := &segmentConn{}
		c := legacy.NewConn(out, nil, legacy.Hixie76)
		for _, text := range got {
			c.WriteTextLossy(text)
		}
		if sent := out.written(); strings.Count(sent, "\xff") != len(got) {
			t.Fatalf("%q is not %d frames", sent, len(got))
		}
		again, _ := readAll(t, []byte(out.written()), 1, 0)
		for i, text := range again {
			if text != strings.ToValidUTF8(got[i], "\ufffd") {
				t.Fatalf("message %d: %q became %q", i, got[i], text)
			}
		}
	})
}

// readAll reads messages that come in pieces of this size.
func readAll(t *testing.T, data []byte, size int, limit uint8) (texts []string, err error) {
	t.Helper()
	conn := &segmentConn{}
	for rest := data; len(rest) > 0; rest = rest[min(size, len(rest)):] {
		conn.segments = append(conn.segments, bytes.Clone(rest[:min(size, len(rest))]))
	}
	c := legacy.NewConn(conn, bufio.NewReaderSize(conn, 16), legacy.Hixie76)
	c.SetReadLimit(int64(limit))
	for {
		text, err := c.ReadText()
		if err != nil {
			return texts, err
		}
		if limit > 0 && len(text) > int(limit) || strings.Contains(text, "\xff") {
			t.Fatalf("got %q", text)
		}
		texts = append(texts, text)
	}
}
