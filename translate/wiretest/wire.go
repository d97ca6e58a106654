// Package wiretest has connections for tests: in memory, by the clock of testing/synctest,
// and a port that each test's own server listens on.
package wiretest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing/synctest"
	"time"
)

// Size is how many bytes a Wire holds in each direction.
const Size = 256 << 10

// A Wire is one end of a connection in memory. Unlike net.Pipe it holds what is
// written, ends each direction on its own, and resets like TCP when it is closed
// with bytes unread: the other end loses what it has not read. What is beyond the
// window of its peer counts as not acknowledged.
type Wire struct {
	net.Conn // nil: what is not below panics
	in, out  *stream
}

// New returns both ends of a connection.
func New() (a, b *Wire) {
	there, back := newStream(), newStream()
	return &Wire{in: there, out: back}, &Wire{in: back, out: there}
}

// Read reads what has arrived, and waits for the first byte of it.
func (w *Wire) Read(p []byte) (int, error) { return w.in.read(p) }

// Write waits until the other end has read all but Size bytes.
func (w *Wire) Write(p []byte) (int, error) { return w.out.write(p) }

// CloseWrite ends what the other end reads.
func (w *Wire) CloseWrite() error { w.out.end(nil); return nil }

// SetReadDeadline implements net.Conn.
func (w *Wire) SetReadDeadline(t time.Time) error { w.in.until(&w.in.readBy, t); return nil }

// SetWriteDeadline implements net.Conn.
func (w *Wire) SetWriteDeadline(t time.Time) error { w.out.until(&w.out.writeBy, t); return nil }

// SendQueue returns how many bytes the other end has not acknowledged.
func (w *Wire) SendQueue() int { return w.out.queue() }

// SetDeadline implements net.Conn.
func (w *Wire) SetDeadline(t time.Time) error {
	w.SetReadDeadline(t)
	return w.SetWriteDeadline(t)
}

// Close ends both directions, with a reset if bytes are unread.
func (w *Wire) Close() error {
	if w.in.leave() > 0 {
		w.out.end(syscall.ECONNRESET)
		return nil
	}
	return w.CloseWrite()
}

// A stream is one direction of a wire.
type stream struct {
	mu              sync.Mutex
	moved           *sync.Cond
	data            []byte
	window          int   // of data, that the other end has acknowledged
	ended           bool  // by the end that writes
	err             error // why, nil for a regular end
	left            bool  // the end that reads is closed
	readBy, writeBy time.Time
}

func newStream() *stream {
	s := &stream{window: Size}
	s.moved = sync.NewCond(&s.mu)
	return s
}

func (s *stream) queue() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, len(s.data)-s.window)
}

func (s *stream) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.data)
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.left:
			return 0, net.ErrClosed
		case overdue(s.readBy):
			return 0, os.ErrDeadlineExceeded
		case s.err != nil:
			return 0, s.err
		case len(s.data) > 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			s.moved.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.moved.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch room := Size - len(s.data); {
		case s.ended:
			return n, net.ErrClosed
		case s.left:
			return n, syscall.EPIPE
		case overdue(s.writeBy):
			return n, os.ErrDeadlineExceeded
		case n == len(p):
			return n, nil
		case room > 0:
			m := min(room, len(p)-n)
			s.data = append(s.data, p[n:n+m]...)
			n += m
			s.moved.Broadcast()
			continue
		}
		s.moved.Wait()
	}
}

func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended, s.err = true, err
	}
	if err != nil {
		s.data = nil
	}
	s.moved.Broadcast()
}

// leave is the closing of the end that reads; unread is what it leaves.
func (s *stream) leave() (unread int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
	s.moved.Broadcast()
	return len(s.data)
}

func (s *stream) until(deadline *time.Time, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*deadline = t
	s.moved.Broadcast()
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), s.moved.Broadcast)
	}
}

func overdue(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// Take takes up to n bytes that have arrived, without waiting.
func (w *Wire) Take(n int) string {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	n = min(n, len(w.in.data))
	data := string(w.in.data[:n])
	w.in.data = w.in.data[n:]
	w.in.moved.Broadcast()
	return data
}

// TakeAll takes what has arrived, without waiting.
func (w *Wire) TakeAll() string { return w.Take(Size) }

// Arrived returns how many bytes Take would.
func (w *Wire) Arrived() int { return w.in.len() }

// Unread returns how many bytes the other end has not read.
func (w *Wire) Unread() int { return w.out.len() }

// Fill writes n zeros.
func (w *Wire) Fill(n int) { w.out.write(make([]byte, n)) }

// Acknowledge has this end acknowledge n unread bytes more, or fewer if n is negative.
// It begins with all.
func (w *Wire) Acknowledge(n int) {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	w.in.window += n
}

// StopReading makes the other end's writes fail from now on.
func (w *Wire) StopReading() { w.in.leave() }

// Ended reports, when nothing moves any more, whether the other end has ended.
func (w *Wire) Ended() bool {
	synctest.Wait()
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	return w.in.ended
}

// Reset closes this end as TCP does with a reset.
func (w *Wire) Reset() {
	w.in.leave()
	w.out.end(syscall.ECONNRESET)
}
