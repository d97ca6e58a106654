package relay

import (
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/wiretest"
)

// A Pair that is parked has two descriptors, which Go's poller does not know, and Go's poller
// knows them again when a flow has a goroutine, or when the Pair ends.
func TestDetach(t *testing.T) {
	for name, test := range map[string]func(j *joined){
		"stall": func(j *joined) {
			end := j.stall("first\n")
			if j.detached(Client) || j.detached(Backend) {
				t.Error("the sockets of a flow that waits are detached")
			}
			end()
			j.get(j.backend, "first\n")
			j.parked()
			j.untilDetached()
			j.talk(1)
		},
		"words that do not fit": func(j *joined) {
			small(j.client)
			s, all := &j.pair.sockets[Client], ""
			for word := strings.Repeat("w", 64<<10) + "\n"; !s.isBusy(); all += word {
				s.sayMessage([]byte(word))
			}
			if j.detached(Client) {
				t.Error("a socket whose last write waits is detached")
			}
			j.get(j.client, all)
			j.untilDetached()
		},
		"end": func(j *joined) {
			j.pair.Shutdown()
			j.pair.detach() // whoever has parked a flow
			if j.detached(Client) || j.detached(Backend) {
				t.Error("the sockets of a Pair that ends are detached")
			}
			j.all(j.client, "bye\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, loops := wiretest.Descriptors(t), 2*runtime.GOMAXPROCS(0)
			s := inLines()
			s.handle = func(e Event) (a Action, ok bool) {
				return Action{End: true, ToClient: &Say{Bytes: []byte("bye\n"), Fin: true}, ToBackend: &Say{Fin: true}}, e.Kind == Shutdown
			}
			drivers[0].run(t, s, func(j *joined) {
				j.parked()
				j.untilDetached()
				if now := wiretest.Descriptors(t); now != before+loops+4 {
					t.Errorf("%d descriptors, before %d, and %d of loops and 4 of connections", now, before, loops)
				}
				j.talk(talked)
				if !j.detached(Client) || !j.detached(Backend) {
					t.Error("a Pair that talks is not detached")
				}
				test(j)
			})
		})
	}
}

func (j *joined) detached(side Side) bool {
	s := &j.pair.sockets[side]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.detached
}

func (j *joined) untilDetached() {
	for !j.detached(Client) || !j.detached(Backend) {
		runtime.Gosched()
	}
}

// Without a descriptor, and where a socket cannot be polled, it stays in Go's poller, and
// nothing is left.
func TestDetachFails(t *testing.T) {
	byHand(t, func(j *joined, _ []syscall.EpollEvent) {
		f := &j.pair.flows[Client]
		f.src.mu.Lock()
		f.src.attach()
		f.src.mu.Unlock()
		before, fd := wiretest.Descriptors(t), f.src.fd
		without := func(set func(), reset func()) {
			t.Helper()
			set()
			f.src.detach(f)
			reset()
			if now := wiretest.Descriptors(t); now != before || f.src.fd != fd || j.detached(Client) {
				t.Errorf("%d descriptors of %d, the socket has %d, before %d", now, before, f.src.fd, fd)
			}
		}
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		none := limit
		none.Cur = 3
		without(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none) }, func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) })
		l := j.pair.loop
		without(func() { l.closed.Store(true) }, func() { l.closed.Store(false) })
		f.src.stalled = true
		without(func() {}, func() {})
		f.src.stalled = false
		f.src.detach(f)
		if f.src.fd == fd || !j.detached(Client) {
			t.Error("the socket is not detached")
		}
	})
}

// An order that comes while nobody can take a flow is obeyed.
func TestHandOver(t *testing.T) {
	byHand(t, func(j *joined, _ []syscall.EpollEvent) {
		f := &j.pair.flows[Client]
		if !f.hold() {
			t.Fatal("the flow is not parked")
		}
		f.wake(orderPark)
		f.handOver()
		for f.orders.Load() != 0 || f.owner.Load() != parked {
			runtime.Gosched()
		}
	})
}

// What somebody else has put around a socket is not closed before the end.
func TestDetachLeavesOthers(t *testing.T) {
	type others struct{ *net.TCPConn }
	d := drivers[0]
	d.dial = func(t testing.TB, _ time.Duration) (net.Conn, far) {
		near, far := wiretest.TCP(t)
		return others{near}, far
	}
	d.run(t, inLines(), func(j *joined) {
		j.parked()
		j.pair.detach()
		if j.detached(Client) || j.detached(Backend) {
			t.Error("it is detached")
		}
		j.talk(1)
	})
}

// Orders and messages that come while the sockets are detached and attached lose
// nothing.
func TestDetachWhileBusy(t *testing.T) {
	t.Parallel()
	drivers[0].run(t, inLines(), func(j *joined) {
		go io.Copy(io.Discard, j.client)
		over := make(chan struct{})
		var others sync.WaitGroup
		for _, act := range []func(){
			j.pair.detach,
			j.pair.look,
			func() { j.pair.flows[Client].wake(orderPark) },
			func() { j.pair.flows[Backend].wake(orderPark) },
			func() { j.pair.sockets[Backend].keepAlive() },
			func() { j.pair.sockets[Client].sayControl([]byte("~\n")) },
		} {
			others.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
						act()
						runtime.Gosched()
					}
				}
			})
		}
		for range 200 {
			say(j.client, "ping\n")
			j.get(j.backend, "ping\n")
		}
		close(over)
		others.Wait()
	})
}

// A Pair of which only one connection is a socket is never detached.
func TestDetachNeedsTwoSockets(t *testing.T) {
	var p Poller
	defer p.Close()
	crowded(&p)
	near, client := wiretest.TCP(t)
	memory, backend := wiretest.New()
	s := inLines()
	s.closed = make(chan struct{})
	pair := new(Pair)
	pair.Join(&Config{Write: writeTimeout, Close: closeTimeout, Poller: &p}, s, Leg{Conn: near}, Leg{Conn: memory})
	pair.Start()
	j := &joined{TB: t, script: s, pair: pair, client: client, backend: backend}
	j.talk(talked)
	if j.detached(Client) {
		t.Error("it is detached")
	}
	client.Close()
	backend.Close()
	j.over()
}
