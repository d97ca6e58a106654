package translate

import (
	"io"
	"net"
	"runtime"
	"testing"
)

// A source that is watched is not read to see its end, which may have come with
// the data and is not told again: it is heard of by the watch, before the pump
// reads or while it waits.
func TestEndThatCameWithData(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(*net.TCPConn)
		reason Reason
	}{
		{"FIN", func(c *net.TCPConn) { c.CloseWrite() }, ClientClosed},
		{"reset", func(c *net.TCPConn) {
			c.SetLinger(0)
			c.Close()
		}, ClientCut},
	} {
		for _, before := range []bool{true, false} {
			name := tt.name + " while it waits"
			if before {
				name = tt.name + " before it reads"
			}
			t.Run(name, func(t *testing.T) {
				nearClient, client := tcpPair(t)
				nearBackend, _ := tcpPair(t)
				b := newBridgeOf(nearClient, nearBackend, Options{})
				t.Cleanup(func() {
					nearClient.Close()
					nearBackend.Close()
					b.gw.watch.stop()
				})
				for range watchAfter {
					io.WriteString(client, hello)
					b.up.step(b.client.fd)
				}
				b.gw.watch.mu.Lock()
				io.WriteString(client, hello)
				tt.end(client.(*net.TCPConn))
				if before {
					b.gw.watch.mu.Unlock()
					until(b.client.hangup.heard.Load)
				}
				over := make(chan struct{})
				go func() {
					b.up.runRaw()
					close(over)
				}()
				if !before {
					until(func() bool { return b.up.messages.Load() == watchAfter+1 })
					b.gw.watch.mu.Unlock()
				}
				<-over
				if n, e := b.up.messages.Load(), b.closing.Load(); n != watchAfter+1 || e.Reason != tt.reason {
					t.Errorf("%d messages and %s, want %d and %s", n, e.Reason, watchAfter+1, tt.reason)
				}
			})
		}
	}
}

// Only who has talked for a while is watched, and nobody whose connection is
// over.
func TestWatchHoldsWhoTalks(t *testing.T) {
	nearClient, client := tcpPair(t)
	nearBackend, backend := tcpPair(t)
	b := bridgeOf(nearClient, nearBackend, Options{})
	t.Cleanup(b.gw.watch.stop)
	watched := func() int {
		b.gw.watch.mu.Lock()
		defer b.gw.watch.mu.Unlock()
		return len(b.gw.watch.peers)
	}
	for i := range 2 * watchAfter {
		io.WriteString(backend, helloUp)
		if _, err := io.ReadFull(client, make([]byte, len(hello))); err != nil {
			t.Fatal(err)
		}
		want := 0
		if i+1 >= watchAfter {
			want = 1
		}
		if n := watched(); n != want {
			t.Errorf("%d watched after %d messages, want %d", n, i+1, want)
		}
	}
	client.Close()
	backend.Close()
	until(func() bool { return watched() == 0 })
}

// Whose descriptor is gone is read as before.
func TestWatchOfAClosedSocket(t *testing.T) {
	near, _ := tcpPair(t)
	var w watch
	var p peer
	p.init(near, 0)
	near.Close()
	w.add(&p)
	defer w.stop()
	if p.hangup.willBeTold() || len(w.peers) != 0 {
		t.Error("it is watched")
	}
}

// until waits for what can be seen, but not waited for; if that does not come,
// the test's own timeout ends it.
func until(so func() bool) {
	for !so() {
		runtime.Gosched()
	}
}
