package translate_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// A stuffing is one side that says all it has to say, as fast as it is let.
type stuffing struct {
	sent atomic.Int64
	sum  uint32 // of the messages
	done chan error
}

// stuff writes messages from conn until so many bytes of them are said.
func stuff(conn net.Conn, frame func(string) string, size int64) *stuffing {
	s := &stuffing{done: make(chan error, 1)}
	go func() {
		for i := 0; s.sent.Load() < size; i++ {
			message := noise(1 + i*7919%(40<<10))
			s.sum = crc32.Update(s.sum, crc32.IEEETable, []byte(message))
			if _, err := io.WriteString(conn, frame(message)); err != nil {
				s.done <- err
				return
			}
			s.sent.Add(int64(len(message)))
		}
		s.done <- nil
	}()
	return s
}

// stalls waits until nothing more is taken of it.
func (s *stuffing) stalls() {
	for before := int64(0); before == 0 || before != s.sent.Load(); time.Sleep(20 * time.Millisecond) {
		before = s.sent.Load()
	}
}

func hixie(message string) string { return "\x00" + message + "\xff" }

// Memory holds what buffers of the kernel and of the gateway hold, whatever a
// side does not read: the other is not read either. Nothing is lost by it.
func TestBackPressure(t *testing.T) {
	size, held := int64(64<<20), int64(48<<20)
	if underRace() {
		size, held = 32<<20, 31<<20
	}
	for _, way := range []string{"up", "down"} {
		t.Run(way, func(t *testing.T) {
			r := newRig(t)
			c, b := r.open(legacy.Hixie76)
			var s *stuffing
			var next func() (string, error) // message at the other side
			small(c.TCPConn)
			small(b.TCPConn)
			if way == "up" {
				s = stuff(c, hixie, size)
				next = func() (message string, err error) {
					for frame := ""; err == nil && (frame == "" || frame[0]&0x80 == 0); {
						if frame, err = b.readFrame(); err == nil {
							message += payload(frame)
						}
					}
					return message, err
				}
			} else {
				s = stuff(b, text, size)
				conn := legacy.NewConn(c, c.br, legacy.Hixie76)
				conn.SetReadLimit(0)
				next = conn.ReadText
			}
			s.stalls()
			if sent := s.sent.Load(); sent > held {
				t.Errorf("%d MiB are under way to a side that reads nothing", sent>>20)
			}
			used := heap()
			var got int64
			var sum uint32
			for got < size {
				message, err := next()
				if err != nil {
					t.Fatal(err)
				}
				got += int64(len(message))
				sum = crc32.Update(sum, crc32.IEEETable, []byte(message))
				if way := s.sent.Load() - got; way > held {
					t.Fatalf("%d MiB are under way to a slow side", way>>20)
				}
			}
			if err := <-s.done; err != nil || sum != s.sum {
				t.Errorf("%v, sum %x, want %x", err, sum, s.sum)
			}
			if now := heap(); now > used+4<<20 {
				t.Errorf("the heap in use went from %d to %d KiB", used>>10, now>>10)
			}
		})
	}
}

// small keeps the kernel from holding megabytes.
func small(conn *net.TCPConn) {
	conn.SetReadBuffer(64 << 10)
	conn.SetWriteBuffer(64 << 10)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// A side that takes nothing for the write timeout ends both; a message that it
// has in part is never finished.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	short := func(o *translate.Options) {
		o.Timeouts.Write, o.Timeouts.Close = 150*time.Millisecond, 200*time.Millisecond
	}
	for _, d := range both {
		t.Run("client-"+d.String(), func(t *testing.T) {
			r := newRig(t, short)
			c, b := r.open(d)
			small(c.TCPConn)
			stuff(b, text, 1<<30)
			b.get(bye(1001))
			r.closed(translate.Closed{Dialect: d, By: translate.ByClient, Reason: translate.ClientSlow})
			if got, _ := io.ReadAll(c.br); strings.HasSuffix(string(got), "\xff\xff\x00") {
				t.Error("the client got FF 00")
			}
		})
		t.Run("backend-"+d.String(), func(t *testing.T) {
			r := newRig(t, short)
			c, b := r.open(d)
			small(b.TCPConn)
			stuff(c, hixie, 1<<30)
			if got, err := io.ReadAll(c.br); len(got) > 0 || err != nil && !isReset(err) {
				t.Errorf("the client got %q, %v", got, err)
			}
			r.closed(translate.Closed{Dialect: d, By: translate.ByBackend, Reason: translate.BackendSlow})
		})
	}
}

// A side that takes nothing when the end comes has no longer than the write
// timeout, and the other no longer than the close timeout.
func TestEndHurriesWrites(t *testing.T) {
	t.Parallel()
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) {
				o.Timeouts.Write, o.Timeouts.Close = 300*time.Millisecond, 300*time.Millisecond
			})
			c, b := r.open(d)
			small(c.TCPConn)
			s := stuff(b, text, 1<<40)
			s.stalls()
			c.CloseWrite()
			b.get(bye(map[legacy.Dialect]uint16{legacy.Hixie75: 1000, legacy.Hixie76: 1001}[d]))
			if err := <-s.done; err == nil {
				t.Error("the backend is still read")
			}
			eventually(t, func() bool { return r.gw.Stats().Open[d] == 0 }, func() any { return r.gw.Stats() })
		})
	}
}

// A peer that never stops talking does not keep a connection open.
func TestEndOfAFlood(t *testing.T) {
	for _, from := range []string{"client", "backend"} {
		t.Run(from, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Timeouts.Close = 300 * time.Millisecond })
			c, b := r.open(legacy.Hixie76)
			var s *stuffing
			if from == "client" {
				s = stuff(c, hixie, 1<<40)
				b.say(bye(1000))
				go io.Copy(io.Discard, b)
			} else {
				s = stuff(b, text, 1<<40)
				c.say("\xff\x00")
				go io.Copy(io.Discard, c)
			}
			if err := <-s.done; err == nil {
				t.Error("the flood is still taken")
			}
			eventually(t, func() bool { return r.gw.Stats().Open[legacy.Hixie76] == 0 }, func() any { return r.gw.Stats() })
		})
	}
}

// What was said before a Close is delivered before it, to a slow client too.
func TestCloseBehindMuch(t *testing.T) {
	const size = 24 << 20
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t)
			c, b := r.open(d)
			small(c.TCPConn)
			s := stuff(b, text, size)
			done := make(chan error, 1)
			go func() {
				err := <-s.done
				io.WriteString(b, bye(1000))
				done <- err
			}()
			s.stalls()
			client := legacy.NewConn(c, c.br, d)
			client.SetReadLimit(0)
			var got int64
			var err error
			for err == nil {
				var message string
				message, err = client.ReadText()
				got += int64(len(message))
			}
			want := map[legacy.Dialect]error{legacy.Hixie75: io.ErrUnexpectedEOF, legacy.Hixie76: io.EOF}[d]
			if sendErr := <-done; sendErr != nil || err != want || got != s.sent.Load() {
				t.Errorf("got %d bytes, %v, want %d, %v; %v", got, err, s.sent.Load(), want, sendErr)
			}
			b.get(bye(1000))
		})
	}
}

// A Ping is answered at once: while the client takes nothing, and, as soon as
// the backend reads, while the pump that goes up is blocked. Only the newest of
// a flood need be, which then takes no memory.
func TestPongs(t *testing.T) {
	t.Run("client-slow", func(t *testing.T) {
		r := newRig(t)
		c, b := r.open(legacy.Hixie76)
		small(c.TCPConn)
		for i := range 100 {
			b.say(text(noise(20<<10)) + fmt.Sprintf("\x89\x02%02d", i))
			b.get(fmt.Sprintf("\x8a\x02%02d", i))
		}
	})
	t.Run("backend-slow", func(t *testing.T) {
		r := newRig(t)
		c, b := r.open(legacy.Hixie76)
		small(b.TCPConn)
		s := stuff(c, hixie, 32<<20)
		s.stalls()
		used := runtime.NumGoroutine()
		const pings = 100_000
		for i := range pings / 1000 {
			var flood strings.Builder
			for j := range 1000 {
				fmt.Fprintf(&flood, "\x89\x05%05d", i*1000+j)
			}
			b.say(flood.String())
		}
		b.say(text("behind"))
		c.get("\x00behind\xff")
		if now := runtime.NumGoroutine(); now > used+10 {
			t.Errorf("%d goroutines, %d before", now, used)
		}
		pongs, newest := 0, ""
		for newest != fmt.Sprintf("\x8a\x05%05d", pings-1) {
			frame, err := b.readFrame()
			if err != nil {
				t.Fatalf("after %q: %v", newest, err)
			}
			if strings.HasPrefix(frame, "\x8a") {
				pongs, newest = pongs+1, frame
			}
		}
		if pongs > 10 {
			t.Errorf("%d pongs waited for a backend that did not read", pongs)
		}
	})
}

// Both sides stop reading until the other does, which is each one's own fault;
// a gateway between them must not make it a deadlock when one reads again.
func TestBothSlow(t *testing.T) {
	r := newRig(t)
	c, b := r.open(legacy.Hixie76)
	small(c.TCPConn)
	small(b.TCPConn)
	const size = 24 << 20
	up, down := stuff(c, hixie, size), stuff(b, text, size)
	up.stalls()
	down.stalls()
	drained := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, c.br, size)
		drained <- err
	}()
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, b.br, size); err != nil {
		t.Fatal(err)
	}
	if err := <-up.done; err != nil {
		t.Error(err)
	}
	if err := <-down.done; err != nil {
		t.Error(err)
	}
}

// A message of any size passes in a memory that does not know it.
func TestLargeMessages(t *testing.T) {
	size := int64(64 << 20)
	if underRace() {
		size = 16 << 20
	}
	block := noise(1 << 20)
	for _, way := range []string{"up", "down"} {
		t.Run(way, func(t *testing.T) {
			r := newRig(t)
			c, b := r.open(legacy.Hixie76)
			used := heap()
			said := make(chan error, 1)
			var got int64
			if way == "up" {
				go func() { said <- sayLarge(c, "\x00", block, size, "\xff") }()
				got = readLarge(t, b.br, block)
			} else {
				go func() { said <- sayLarge(b, longHeader(size), block, size, "") }()
				got = readUntilFF(t, c.br, block)
			}
			if err := <-said; err != nil || got != size {
				t.Errorf("got %d bytes, %v, want %d", got, err, size)
			}
			if now := heap(); now > used+4<<20 {
				t.Errorf("the heap in use went from %d to %d KiB", used>>10, now>>10)
			}
		})
	}
}

// longHeader is that of a Text frame of so many bytes.
func longHeader(size int64) string {
	return "\x81\x7f" + string(binary.BigEndian.AppendUint64(nil, uint64(size)))
}

func sayLarge(w io.Writer, begin, block string, size int64, end string) error {
	_, err := io.WriteString(w, begin)
	for ; err == nil && size > 0; size -= int64(len(block)) {
		_, err = io.WriteString(w, block)
	}
	if err == nil {
		_, err = io.WriteString(w, end)
	}
	return err
}

// readLarge reads the fragments of a message that repeats a block.
func readLarge(t *testing.T, br *bufio.Reader, block string) (size int64) {
	t.Helper()
	buf := make([]byte, 256<<10)
	want := block + block
	for {
		head, _ := br.Peek(2)
		for n := 2; ; n++ {
			h, ok := modern.ParseHeader(head)
			if !ok {
				var err error
				if head, err = br.Peek(n + 1); err != nil {
					t.Fatal(err)
				}
				continue
			}
			br.Discard(h.Size)
			piece := buf[:h.Length]
			if _, err := io.ReadFull(br, piece); err != nil {
				t.Fatal(err)
			}
			modern.Mask(piece, piece, h.Key)
			at := size % int64(len(block))
			if want[at:at+int64(len(piece))] != string(piece) {
				t.Fatalf("other bytes at %d", size)
			}
			if size += int64(h.Length); h.Fin {
				return size
			}
			break
		}
	}
}

// readUntilFF reads a message of a legacy client that repeats a block.
func readUntilFF(t *testing.T, br *bufio.Reader, block string) (size int64) {
	t.Helper()
	if kind, err := br.ReadByte(); kind != 0 || err != nil {
		t.Fatalf("got %x, %v", kind, err)
	}
	buf := make([]byte, 256<<10)
	want := block + block
	for {
		n, err := br.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		piece, last := strings.CutSuffix(string(buf[:n]), "\xff")
		at := size % int64(len(block))
		if want[at:at+int64(len(piece))] != piece {
			t.Fatalf("other bytes at %d", size)
		}
		if size += int64(len(piece)); last {
			return size
		}
	}
}
