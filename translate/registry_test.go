package translate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// shutdown runs Shutdown with so much time.
func (r *rig) shutdown(limit time.Duration) <-chan error {
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	go func() {
		defer cancel()
		done <- r.gw.Shutdown(ctx)
	}()
	return done
}

const head13 = "GET /demo HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// openAny is open for a tunnel too.
func (r *rig) openAny(d legacy.Dialect) (*client, *backendConn) {
	r.Helper()
	if d.Legacy() {
		return r.open(d)
	}
	c := r.dial()
	c.say(head13)
	b := r.backend.next()
	b.accept()
	if _, err := http.ReadResponse(c.br, nil); err != nil {
		r.Fatal(err)
	}
	return c, b
}

// Promise 9: everybody is told in the words of the own dialect; one who does
// not react holds it up for the close timeout, no longer.
func TestShutdown(t *testing.T) {
	const limit = 500 * time.Millisecond
	r := newRig(t, func(o *translate.Options) { o.Timeouts.Close = limit })
	var wg sync.WaitGroup
	for i := range 200 {
		d := []legacy.Dialect{legacy.Hixie75, legacy.Hixie76, legacy.RFC6455}[i%3]
		c, b := r.openAny(d)
		client, backend := map[legacy.Dialect]string{legacy.Hixie76: "\xff\x00"}[d], bye(1001)
		switch i / 3 % 4 {
		case 1: // inside a message from the client
			if d.Legacy() {
				c.say("\x00part")
			}
		case 2: // inside a message to the client
			b.say("\x01\x04part")
			if client = "\x00part"; d == legacy.RFC6455 {
				client = "\x01\x04part"
			}
		case 3: // answers nothing, and leaves nothing unread
			if d == legacy.Hixie75 {
				r.Cleanup(func() { c.Close() })
				continue
			}
		}
		if d == legacy.RFC6455 {
			backend = "" // its frames are the client's own
		}
		if i/3%4 == 2 {
			c.br.Peek(len(client))
		}
		wg.Go(func() {
			c.end(client)
			c.Close()
		})
		wg.Go(func() {
			if d == legacy.RFC6455 {
				if got, err := io.ReadAll(b.br); string(got) != backend || err != nil {
					t.Errorf("backend of %s: got %q, %v, want %q", d, got, err, backend)
				}
			} else if got, err := b.readFrame(); got != backend || err != nil {
				t.Errorf("backend of %s: got %q, %v, want %q", d, got, err, backend)
			}
			b.Close()
		})
	}
	began := time.Now()
	if err := <-r.shutdown(patience); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < limit || took > limit+patience/4 {
		t.Errorf("Shutdown took %v, want about %v", took, limit)
	}
	wg.Wait()
	s := r.gw.Stats()
	var closed int64
	for kind, n := range s.Closed {
		closed += n
		if kind.By != translate.ByGateway || kind.Reason != translate.ShuttingDown {
			t.Errorf("%d closed as %v", n, kind)
		}
	}
	if len(s.Open) != 0 || closed != 200 {
		t.Errorf("open %v, closed %v", s.Open, s.Closed)
	}
	if conn, err := net.Dial("tcp", r.address); err == nil {
		conn.Close()
		t.Error("a client is still accepted")
	}
}

// With the context its patience ends: what is left is cut, wherever it is.
func TestShutdownCuts(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *translate.Options) {
		o.Timeouts = translate.Timeouts{Head: time.Hour, Dial: time.Hour, Key3: time.Hour, Write: time.Hour, Close: time.Hour}
	})
	var clients []*client
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76, legacy.RFC6455} {
		c, _ := r.openAny(d)
		clients = append(clients, c)
	}
	slow, b := r.open(legacy.Hixie75) // nobody reads what comes up
	small(b.TCPConn)
	stuff(slow, hixie, 1<<40).stalls()
	dialling := r.dial()
	dialling.say(head75)
	r.backend.next()
	waiting := r.dial() // for its own key3
	waiting.say(head76)
	r.backend.next().accept()
	waiting.get(answer76)
	began := time.Now()
	if err := <-r.shutdown(100 * time.Millisecond); err != context.DeadlineExceeded {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(began); took > patience/4 {
		t.Errorf("Shutdown took %v", took)
	}
	for i, c := range append(clients, slow, dialling, waiting) {
		c.SetReadDeadline(time.Now().Add(patience / 4))
		if _, err := io.ReadAll(c.br); err != nil && !isReset(err) {
			t.Errorf("client %d: %v", i, err)
		}
	}
	eventually(t, func() bool { return len(running()) == 0 }, func() any { return running() })
}

// So is a request of plain HTTP whose backend is silent.
func TestShutdownCutsPlain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.dial()
	c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	b := r.backend.next()
	if err := <-r.shutdown(100 * time.Millisecond); err != context.DeadlineExceeded {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	for side, conn := range map[string]net.Conn{"client": c, "backend": b} {
		if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d bytes, %v; want an end", side, n, err)
		}
	}
}

// A client that is there already gets an answer, a new one does not.
func TestHandshakeDuringShutdown(t *testing.T) {
	r := newRig(t, func(o *translate.Options) { o.Timeouts.Close = patience })
	holds, b := r.open(legacy.Hixie76)
	late := r.dial()
	late.say("GET ")
	first := r.dial()
	first.say(head76 + key3)
	asked := r.backend.next() // for first; answers late
	done := r.shutdown(patience)
	eventually(t, func() bool { return r.gw.Draining() }, func() any { return "not draining" })
	eventually(t, func() bool {
		conn, err := net.Dial("tcp", r.address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, func() any { return "a new client is still accepted" })
	late.say(head76[len("GET "):] + key3)
	resp := checkRefusal(t, late, 503, translate.ShuttingDown)
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	late.Close()
	asked.accept()
	first.end(answer76 + digest + "\xff\x00")
	first.Close()
	asked.end(bye(1001))
	if len(done) > 0 {
		t.Error("Shutdown returned before all was closed")
	}
	holds.end("\xff\x00")
	holds.Close()
	b.end(bye(1001))
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.backend.untouched()
}

// Shutdown may be called again, and at the same time.
func TestShutdownAgain(t *testing.T) {
	t.Parallel()
	for _, open := range []int{0, 1} {
		t.Run(fmt.Sprint(open), func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Timeouts.Close = 200 * time.Millisecond })
			for range open {
				r.open(legacy.Hixie75) // reacts to nothing
			}
			one, two := r.shutdown(patience), r.shutdown(patience)
			for _, err := range []error{<-one, <-two, <-r.shutdown(patience)} {
				if err != nil {
					t.Error(err)
				}
			}
			if n := r.gw.Stats().Open[legacy.Hixie75]; n != 0 {
				t.Errorf("%d open", n)
			}
		})
	}
}
