package translate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// quick are timeouts that pass many times while these tests run.
func quick(o *translate.Options) {
	o.Timeouts.Write, o.Timeouts.Close = time.Second, 200*time.Millisecond
}

// slowly reads to the end, for much longer than any timeout, and says something now
// and then if there is anything to say.
func slowly(t *testing.T, conn *net.TCPConn, r io.Reader, chunk int, say string) string {
	t.Helper()
	var got bytes.Buffer
	for buf := make([]byte, chunk); ; {
		n, err := io.ReadFull(r, buf)
		got.Write(buf[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return got.String()
		case err != nil:
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
		io.WriteString(conn, say)
		time.Sleep(25 * time.Millisecond) // the reader's own slowness
	}
}

// much is messages of 1000 bytes, which end with a Close.
func much(messages int) string {
	return strings.Repeat(text(strings.Repeat("m", 1000)), messages)
}

// stuck waits until nothing goes to a side any more, because it does not read: what the
// other sends from then on is on its way.
func (r *rig) stuck(d legacy.Dialect, least int64) {
	for last := int64(-1); ; {
		traffic := r.gw.Stats().Traffic[d]
		now := traffic.MessagesUp + traffic.MessagesDown
		if now >= least && now == last {
			return
		}
		last = now
		time.Sleep(200 * time.Millisecond) // nothing tells that a peer stands still
	}
}

// What was sent before an end is delivered before it, to a client that reads slowly
// and talks on: behind a Close, at the gateway's own end, and to a backend too. It was
// reset after the close timeout, and counted as delivered.
func TestSlowEnds(t *testing.T) {
	t.Parallel()
	const messages = 3000
	down := strings.Repeat(hixie(strings.Repeat("m", 1000)), messages)
	for _, d := range both {
		bye76 := map[legacy.Dialect]string{legacy.Hixie76: "\xff\x00"}[d]
		t.Run("down-"+d.String(), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, quick)
			c, b := r.open(d)
			small(c.TCPConn)
			go io.WriteString(b, much(messages)+bye(1000))
			if got := slowly(t, c.TCPConn, c.br, 64<<10, hixie("late")); got != down+bye76 {
				t.Errorf("%d of %d bytes came", len(got), len(down)+len(bye76))
			}
			c.Close()
			r.closed(translate.Closed{Dialect: d, By: translate.ByBackend, Reason: translate.BackendClosed})
			r.log.want(t, "connection closed", map[string]any{"messages_down": messages, "bytes_down": messages * 1000, "undelivered_bytes": nil})
		})
		t.Run("shutdown-"+d.String(), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, quick)
			c, b := r.open(d)
			small(c.TCPConn)
			go io.WriteString(b, much(messages))
			r.stuck(d, messages/3)
			done := r.shutdown(patience)
			if got := slowly(t, c.TCPConn, c.br, 64<<10, ""); got != down+bye76 {
				t.Errorf("%d of %d bytes came", len(got), len(down)+len(bye76))
			}
			c.Close()
			b.Close()
			r.closed(translate.Closed{Dialect: d, By: translate.ByGateway, Reason: translate.ShuttingDown})
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("up", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, quick)
		c, b := r.open(legacy.Hixie76)
		small(b.TCPConn)
		go io.WriteString(c, strings.Repeat(hixie(strings.Repeat("m", 1000)), messages)+"\xff\x00")
		want := messages*(1000+4+4) + len(bye(1000)) + 4
		all := make([]byte, want)
		for n := 0; n < want; time.Sleep(25 * time.Millisecond) {
			m, err := io.ReadAtLeast(b.br, all[n:], min(64<<10, want-n))
			if n += m; err != nil {
				t.Fatalf("%d of %d bytes came, %v", n, want, err)
			}
			io.WriteString(b, text("late"))
		}
		b.Close()
		if got := c.all(); !strings.HasSuffix(got, "\xff\x00") {
			t.Errorf("the client got %.50q", got)
		}
		r.closed(translate.Closed{Dialect: legacy.Hixie76, By: translate.ByClient, Reason: translate.ClientClosed})
		r.log.want(t, "connection closed", map[string]any{"messages_up": messages, "undelivered_bytes": nil})
	})
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, quick)
		c := r.dial()
		small(c.TCPConn)
		c.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		b := r.backend.next()
		body := noise(3 << 20)
		go func() {
			fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			b.Close()
		}()
		if got := slowly(t, c.TCPConn, c.br, 64<<10, ""); !strings.HasSuffix(got, body) {
			t.Errorf("%d bytes came", len(got))
		}
	})
}

// What a client has not taken is no delivery: the counters leave it out, and the log
// says how much it was.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	r := newRig(t, quick)
	c, b := r.open(legacy.Hixie76)
	small(c.TCPConn)
	go io.WriteString(b, much(20_000)+bye(1000))
	r.closed(translate.Closed{Dialect: legacy.Hixie76, By: translate.ByClient, Reason: translate.ClientSlow})
	line := r.log.find(t, "connection closed")
	var got int
	for buf := make([]byte, 64<<10); ; {
		n, err := c.br.Read(buf)
		if got += n; err != nil {
			break
		}
	}
	messages, bytes, lost := line["messages_down"].(float64), line["bytes_down"].(float64), line["undelivered_bytes"]
	if lost == nil || int(bytes) > got || int(messages)*1002 > got {
		t.Errorf("%v messages of %v bytes are counted and %v undelivered, of %d that came", messages, bytes, lost, got)
	}
	if s := r.gw.Stats().Traffic[legacy.Hixie76]; s.MessagesDown < int64(messages) {
		t.Errorf("a counter fell to %d", s.MessagesDown)
	}
}

// A backend that repeats its Close and never ends TCP is over within the close timeout,
// with TLS too. It stayed for ever, and held up the shutdown.
func TestRepeatedClose(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	server.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r := newRig(t, quick, func(o *translate.Options) {
		o.Backend = modern.Dialer{Address: ln.Addr().String(), TLS: &tls.Config{InsecureSkipVerify: true}}
	})
	gone := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			gone <- err
			return
		}
		defer conn.Close()
		b := &backendConn{TB: t}
		if err := b.readRequestFrom(conn); err != nil {
			gone <- err
			return
		}
		_, err = io.WriteString(conn, b.switching())
		for err == nil {
			_, err = io.WriteString(conn, bye(1000))
			time.Sleep(20 * time.Millisecond) // the backend's own slowness
		}
		gone <- nil
	}()
	c := r.dial()
	c.say(head76 + key3)
	c.get(answer76 + digest)
	c.end("\xff\x00")
	c.Close()
	if err := <-gone; err != nil {
		t.Error(err)
	}
	r.closed(translate.Closed{Dialect: legacy.Hixie76, By: translate.ByBackend, Reason: translate.BackendClosed})
}

// Pings in a row are answered one by one and in order, and before the echo of what the
// backend sent behind them.
func TestPingsInARow(t *testing.T) {
	r := newRig(t)
	c, b := r.open(legacy.Hixie76)
	go io.Copy(c, c.br) // an echo
	for range 50 {
		var pings strings.Builder
		var pongs []string
		for i := range 10 {
			fmt.Fprintf(&pings, "\x89\x01%d", i)
			pongs = append(pongs, fmt.Sprintf("\x8a\x01%d", i))
		}
		b.say(pings.String() + text("echo"))
		b.get(append(pongs, text("echo"))...)
	}
}

// held is the heap in use when the pools of buffers are empty.
func held() int64 {
	runtime.GC()
	runtime.GC() // the second time the pools are empty
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// checkHeld fails if the connections have grown by more than that on an average, when all
// stand still: while one is at work it holds more.
func checkHeld(t *testing.T, before int64, connections int, most int64) {
	t.Helper()
	each := func() int64 { return (held() - before) / int64(connections) }
	eventually(t, func() bool { return each() <= most }, func() any {
		return fmt.Sprintf("%d bytes for each connection, want at most %d", each(), most)
	})
	t.Logf("%d bytes for each connection", each())
}

// An unfinished message does not pin a buffer: after a second of nothing it has left as
// a fragment.
func TestUnfinishedMessagesCostLittle(t *testing.T) {
	const n = 100
	r := newRig(t)
	var clients []*client
	var backends []*backendConn
	for range n {
		c, b := r.open(legacy.Hixie76)
		clients, backends = append(clients, c), append(backends, b)
	}
	message := noise(64_000)
	before := held()
	for _, c := range clients {
		c.say("\x00" + message)
	}
	for _, b := range backends {
		frame, err := b.readFrame()
		if err != nil || frame[0]&0x80 != 0 || !strings.HasPrefix(message, payload(frame)) {
			t.Fatalf("got %.50q, %v, want a first fragment", frame, err)
		}
	}
	checkHeld(t, before, n, 4<<10)
	runtime.KeepAlive(message)
}

// A connection whose backend takes nothing holds 72 KiB, whatever the client sends: of the
// shortest messages, which become three times as long, it held 136 KiB.
func TestStalledConnectionsCostLittle(t *testing.T) {
	const n = 20
	for name, message := range map[string]string{"short": "\x00\xff", "ill-formed": hixie(strings.Repeat("\x80", 30<<10)), "1000 bytes": hixie(noise(1000))} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Timeouts.Write = time.Hour })
			flood := []byte(strings.Repeat(message, 16<<20/len(message)))
			var clients []*client
			for range n {
				c, b := r.open(legacy.Hixie76)
				small(c.TCPConn)
				small(b.TCPConn)
				clients = append(clients, c)
			}
			before := held()
			for _, c := range clients {
				go c.Write(flood)
			}
			r.stuck(legacy.Hixie76, n)
			checkHeld(t, before, n, (72+2)<<10) // with a timer and what the test holds itself
			runtime.KeepAlive(flood)
		})
	}
}

// A connection that has not sent a byte does not hold up the shutdown: net/http gives it
// five seconds.
func TestShutdownWithASilentConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	silent := r.dial()
	served := r.dial()
	served.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	b := r.backend.next()
	b.say("HTTP/1.1 204 No Content\r\n\r\n")
	if resp, err := http.ReadResponse(served.br, nil); err != nil || resp.StatusCode != 204 {
		t.Fatal(resp, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := r.gw.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	silent.end("")
}

// What Shutdown had no time for is counted, plain requests too, and a client inside a
// message has not been told anything.
func TestShutdownCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, quick)
	told, tb := r.open(legacy.Hixie76)
	inside, ib := r.open(legacy.Hixie76)
	ib.say("\x01\x04part")
	inside.get("\x00part")
	plain := r.dial()
	plain.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	r.backend.next()
	done := r.shutdown(time.Second)
	told.end("\xff\x00")
	inside.end("")
	for _, c := range []io.Closer{told, tb, inside, ib} {
		c.Close()
	}
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if s := r.gw.Stats(); s.Told[legacy.Hixie76] != 1 || s.Cut != 1 {
		t.Errorf("%d told and %d cut, want 1 and 1", s.Told[legacy.Hixie76], s.Cut)
	}
}
