package translate

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/sockets"
	"github.com/ws76/ws76/translate/wiretest"
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

// A lab is a gateway behind whose back the backend has been dialled: both sides
// are in memory, and the clock is synctest's.
type lab struct {
	*testing.T
	gw              *Gateway
	began           time.Time
	client, backend *wiretest.Wire // the far ends
	unread          int            // bytes that the client has not taken when it opens
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
		if open := l.gw.gate.Open(); open != 0 || len(l.gw.registry.conns) != 0 {
			t.Errorf("%d admitted, %d connections left", open, len(l.gw.registry.conns))
		}
	})
}

// open serves a client from the request on; rest is what the backend has sent
// behind its 101.
func (l *lab) open(rest string) {
	var near [2]*wiretest.Wire
	l.client, near[0] = wiretest.New()
	l.backend, near[1] = wiretest.New()
	near[0].Fill(l.unread)
	write := l.gw.options.Timeouts.Write
	go l.serve(sockets.New(near[0], write), &modern.Backend{Conn: sockets.New(near[1], write), Rest: []byte(rest), Header: http.Header{}})
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
	hs, err := l.gw.openings.New(r, d, nil, nil)
	if err != nil {
		l.Error(err)
		return
	}
	l.gw.gate.Enter(netip.Prefix{})
	l.gw.complete(takenOver{conn: conn, br: br}, r, hs, netip.Prefix{}, backend, time.Now())
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
	l.gw.registry.mu.Lock()
	defer l.gw.registry.mu.Unlock()
	for c := range l.gw.registry.conns {
		return c.End() != nil
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
	if got := l.client.TakeAll(); got != want {
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
	for data := []byte(l.backend.TakeAll()); len(data) > 0; {
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
	if !l.client.Ended() {
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
