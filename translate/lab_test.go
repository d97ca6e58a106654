package translate

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// The opening handshake of the draft's example.
const (
	labHead75 = "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Host: example.com\r\nOrigin: http://example.com\r\n\r\n"
	labHead76 = "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Host: example.com\r\nOrigin: http://example.com\r\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n"
	labKey3     = "^n:ds[4U"
	labAnswer76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com/demo\r\n\r\n"
	labAnswer75 = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"WebSocket-Origin: http://example.com\r\nWebSocket-Location: ws://example.com/demo\r\n\r\n"
	labDigest = "8jKS'y:G*Co,Wxa-"
)

// wireSize is how much of a wire's direction is under way at most.
const wireSize = 256 << 10

// A wire is one end of a connection in memory. Unlike net.Pipe it holds what is
// written, ends each direction on its own, and resets like TCP when it is closed
// with bytes unread: the other end loses what it has not read.
type wire struct {
	net.Conn // nil: what is not below panics
	in, out  *flow
}

func newWire() (a, b *wire) {
	there, back := newFlow(), newFlow()
	return &wire{in: there, out: back}, &wire{in: back, out: there}
}

func (w *wire) Read(p []byte) (int, error)         { return w.in.read(p) }
func (w *wire) Write(p []byte) (int, error)        { return w.out.write(p) }
func (w *wire) CloseWrite() error                  { w.out.end(nil); return nil }
func (w *wire) SetReadDeadline(t time.Time) error  { w.in.until(&w.in.readBy, t); return nil }
func (w *wire) SetWriteDeadline(t time.Time) error { w.out.until(&w.out.writeBy, t); return nil }

func (w *wire) SetDeadline(t time.Time) error {
	w.SetReadDeadline(t)
	return w.SetWriteDeadline(t)
}

func (w *wire) Close() error {
	if w.in.leave() > 0 {
		w.out.end(syscall.ECONNRESET)
		return nil
	}
	return w.CloseWrite()
}

// A flow is one direction of a wire.
type flow struct {
	mu              sync.Mutex
	moved           *sync.Cond
	data            []byte
	ended           bool  // by the end that writes
	err             error // why, nil for a regular end
	left            bool  // the end that reads is closed
	readBy, writeBy time.Time
}

func newFlow() *flow {
	f := &flow{}
	f.moved = sync.NewCond(&f.mu)
	return f
}

func (f *flow) read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.left:
			return 0, net.ErrClosed
		case overdue(f.readBy):
			return 0, os.ErrDeadlineExceeded
		case f.err != nil:
			return 0, f.err
		case len(f.data) > 0:
			n := copy(p, f.data)
			f.data = f.data[n:]
			f.moved.Broadcast()
			return n, nil
		case f.ended:
			return 0, io.EOF
		}
		f.moved.Wait()
	}
}

func (f *flow) write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch room := wireSize - len(f.data); {
		case f.ended:
			return n, net.ErrClosed
		case f.left:
			return n, syscall.EPIPE
		case overdue(f.writeBy):
			return n, os.ErrDeadlineExceeded
		case n == len(p):
			return n, nil
		case room > 0:
			m := min(room, len(p)-n)
			f.data = append(f.data, p[n:n+m]...)
			n += m
			f.moved.Broadcast()
			continue
		}
		f.moved.Wait()
	}
}

func (f *flow) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended, f.err = true, err
	}
	if err != nil {
		f.data = nil
	}
	f.moved.Broadcast()
}

// leave is the closing of the end that reads; unread is what it leaves.
func (f *flow) leave() (unread int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = true
	f.moved.Broadcast()
	return len(f.data)
}

func (f *flow) until(deadline *time.Time, t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*deadline = t
	f.moved.Broadcast()
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), f.moved.Broadcast)
	}
}

func overdue(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// take is what has come without waiting.
func (w *wire) take() string {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	data := string(w.in.data)
	w.in.data = nil
	w.in.moved.Broadcast()
	return data
}

// unread is how much the other end has not read.
func (w *wire) unread() int {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	return len(w.out.data)
}

// ended reports, when nothing moves any more, whether the other end has ended.
func (w *wire) ended() bool {
	synctest.Wait()
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	return w.in.ended
}

// A lab is a gateway behind whose back the backend has been dialled: both sides
// are in memory, and the clock is synctest's.
type lab struct {
	*testing.T
	gw              *Gateway
	began           time.Time
	client, backend *wire // the far ends
	unread          int   // bytes that the client has not taken when it opens
}

// inLab runs a test in a bubble. When it returns both far ends are closed, and
// nothing may be left.
func inLab(t *testing.T, o Options, test func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, gw: New(o), began: time.Now()}
		test(l)
		l.client.Close()
		l.backend.Close()
		time.Sleep(time.Minute) // of the bubble
		synctest.Wait()
		if open := l.gw.admission.open; open != 0 || len(l.gw.bridges) != 0 {
			t.Errorf("%d admitted, %d bridges left", open, len(l.gw.bridges))
		}
	})
}

// open serves a client from the request on; rest is what the backend has sent
// behind its 101.
func (l *lab) open(rest string) {
	var near [2]*wire
	l.client, near[0] = newWire()
	l.backend, near[1] = newWire()
	near[0].out.data = make([]byte, l.unread)
	go l.serve(near[0], &modern.Backend{Conn: near[1], Rest: []byte(rest), Header: http.Header{}})
}

// serve is what Gateway.open does between the backend's 101 and the bridge.
func (l *lab) serve(conn net.Conn, backend *modern.Backend) {
	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		l.Error(err)
		return
	}
	r.RemoteAddr = "192.0.2.1:1"
	d, err := legacy.Detect(r)
	if err != nil {
		l.Error(err)
		return
	}
	o, err := l.gw.newOpening(r, d)
	if err != nil {
		l.Error(err)
		return
	}
	l.gw.enter(netip.Prefix{})
	b := l.gw.accept(takenOver{conn: conn, br: br}, r, o, backend)
	if b == nil {
		l.gw.leave(netip.Prefix{})
		return
	}
	l.gw.opened(b, r, 0)
	b.start()
}

// A takenOver is a ResponseWriter of which nothing but its connection is used.
type takenOver struct {
	http.ResponseWriter
	conn net.Conn
	br   *bufio.Reader
}

func (w takenOver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(w.br, bufio.NewWriter(w.conn)), nil
}

// opened is a lab whose opening handshake is complete.
func (l *lab) opened(d legacy.Dialect) {
	l.Helper()
	l.open("")
	if d == legacy.Hixie75 {
		l.clientSays(labHead75)
		l.clientGets(labAnswer75)
		return
	}
	l.clientSays(labHead76 + labKey3)
	l.clientGets(labAnswer76 + labDigest)
}

// ending reports, when nothing moves any more, whether the bridge is to end.
func (l *lab) ending() bool {
	synctest.Wait()
	l.gw.mu.Lock()
	defer l.gw.mu.Unlock()
	for b := range l.gw.bridges {
		return b.ended()
	}
	return true
}

func (l *lab) clientSays(s string)  { io.WriteString(l.client, s) }
func (l *lab) backendSays(s string) { io.WriteString(l.backend, s) }

// clientGets fails unless the client has got exactly this by the time nothing
// moves any more.
func (l *lab) clientGets(want string) {
	l.Helper()
	synctest.Wait()
	if got := l.client.take(); got != want {
		l.Errorf("after %v the client got %.200q, want %.200q", time.Since(l.began), got, want)
	}
}

// backendGets is clientGets for frames, written as unmasked: what follows the
// 101 of the backend.
func (l *lab) backendGets(want string) {
	l.Helper()
	synctest.Wait()
	if got := l.frames(); got != want {
		l.Errorf("after %v the backend got %.200q, want %.200q", time.Since(l.began), got, want)
	}
}

func (l *lab) frames() (unmasked string) {
	l.Helper()
	for data := []byte(l.backend.take()); len(data) > 0; {
		h, ok := modern.ParseHeader(data)
		if !ok || !h.Masked {
			l.Fatalf("no masked frame: %.100x", data)
		}
		payload := data[h.Size : h.Size+int(h.Length)]
		modern.Mask(payload, payload, h.Key)
		data[1] &^= 0x80
		unmasked += string(data[:h.Size-4]) + string(payload)
		data = data[h.Size+int(h.Length):]
	}
	return unmasked
}

// clientEnded fails unless the client's side of TCP has ended. The backend's is
// the backend's own to end.
func (l *lab) clientEnded() {
	l.Helper()
	if !l.client.ended() {
		l.Errorf("after %v the client's side is open", time.Since(l.began))
	}
}

// hangUp ends TCP at the far ends.
func (l *lab) hangUp() {
	l.client.CloseWrite()
	l.backend.CloseWrite()
}

// after fails unless so much of the bubble's time has passed.
func (l *lab) after(want time.Duration) {
	l.Helper()
	if got := time.Since(l.began); got != want {
		l.Errorf("after %v, want %v", got, want)
	}
}

// closed fails unless there was one end, of this kind.
func (l *lab) closed(by Side, reason Reason) {
	l.Helper()
	synctest.Wait()
	closed := l.gw.Stats().Closed
	if n := len(closed); n != 1 {
		l.Errorf("%d kinds of ends %v, want one", n, closed)
	}
	for got := range closed {
		if got.By != by || got.Reason != reason {
			l.Errorf("closed by %s, %s, want %s, %s", got.By, got.Reason, by, reason)
		}
	}
}
