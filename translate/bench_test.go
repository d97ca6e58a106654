package translate_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// BenchmarkBridge carries messages through an open connection on loopback, one
// after the other as fast as they are taken; together with the peers, which are
// part of it, it allocates nothing.
func BenchmarkBridge(b *testing.B) {
	for _, size := range []int{32, 1 << 10, 64 << 10} {
		message := noise(size)
		b.Run(fmt.Sprintf("up-%d", size), func(b *testing.B) {
			c, backend := newRig(b).steady()
			stream(b, c, hixie(message), backend.TCPConn, len(text(message))+4)
		})
		b.Run(fmt.Sprintf("down-%d", size), func(b *testing.B) {
			c, backend := newRig(b).steady()
			stream(b, backend, text(message), c.TCPConn, len(hixie(message)))
		})
	}
}

// stream writes a message b.N times, some with each write, and reads as many
// of the size that they have at the other side.
func stream(b *testing.B, from io.Writer, message string, to io.Reader, size int) {
	batch := max(1, 16<<10/len(message))
	said := []byte(strings.Repeat(message, batch))
	buf := make([]byte, 64<<10)
	done := make(chan error, 1)
	for _, n := range []int{1000, b.N} { // the first is to warm up
		if n == b.N {
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			b.ResetTimer()
		}
		go func() {
			var err error
			for left := n; left > 0 && err == nil; left -= batch {
				_, err = from.Write(said[:min(batch, left)*len(message)])
			}
			done <- err
		}()
		for left := n * size; left > 0; {
			got, err := to.Read(buf[:min(len(buf), left)])
			if err != nil {
				b.Fatal(err)
			}
			left -= got
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// steady is an open connection without deadlines, which cost something.
func (r *rig) steady() (*client, *backendConn) {
	r.Helper()
	c, b := r.open(legacy.Hixie76)
	c.SetDeadline(time.Time{})
	b.SetDeadline(time.Time{})
	return c, b
}

// roundTrip carries one message up and one down.
func roundTrip(t testing.TB, size int, changes ...func(*translate.Options)) func() {
	c, b := newRig(t, changes...).steady()
	up, down := []byte(hixie(noise(size))), []byte(text(noise(size)))
	buf := make([]byte, 2*size+64)
	return func() {
		c.Write(up)
		if _, err := io.ReadFull(b.TCPConn, buf[:len(down)+4]); err != nil {
			t.Fatal(err)
		}
		b.Write(down)
		if _, err := io.ReadFull(c.TCPConn, buf[:len(up)]); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{32, 1 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			pass := roundTrip(b, size)
			b.ReportAllocs()
			for b.Loop() {
				pass()
			}
		})
	}
}

// ignored is an Observer that does nothing with what it is shown.
type ignored struct{}

func (i ignored) Handshake(*translate.Exchange) translate.Tap { return i }
func (ignored) Bytes(translate.Side, bool, []byte)            {}
func (ignored) Closed(translate.End, translate.Damage)        {}

// BenchmarkObserver is a round trip that nobody observes, beside one that is shown to
// somebody. BenchmarkUntapped of relay is the difference that the first pays.
func BenchmarkObserver(b *testing.B) {
	for name, o := range map[string]translate.Observer{"off": nil, "on": ignored{}} {
		b.Run(name, func(b *testing.B) {
			pass := roundTrip(b, 32, func(options *translate.Options) { options.Observer = o })
			b.ReportAllocs()
			for b.Loop() {
				pass()
			}
		})
	}
}

// Once a connection has carried something, messages cost no memory, nor the
// collector any work.
func TestMessagesAllocateNothing(t *testing.T) {
	if underRace() {
		return // then sync.Pool forgets at random
	}
	for _, size := range []int{32, 1 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			if got := testing.AllocsPerRun(2000, roundTrip(t, size)); got != 0 {
				t.Errorf("%v allocations for two messages, want 0", got)
			}
		})
	}
}
