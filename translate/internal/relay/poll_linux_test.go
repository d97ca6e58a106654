package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
	"github.com/ws76/ws76/translate/wiretest"
)

func countPolled(p *Poller) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.loops {
		l.mu.Lock()
		n += len(l.slots) - len(l.free)
		l.mu.Unlock()
	}
	return n
}

// crowded makes so many flows seem to have a goroutine that a new one has none.
func crowded(p *Poller) *Poller {
	p.Start()
	for _, l := range p.loops {
		for range crowd {
			f := &flow{src: new(socket)}
			f.src.kept.Store(true)
			f.held.Store(1) // it is not idle
			l.wakes(f)
		}
	}
	return p
}

// holdLoop runs do while the loop tells nothing.
func holdLoop(l *loop, do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

// A number is a waiter that tells which it is.
type number struct {
	n    int
	told func(n int)
	more bool
}

func (n number) ready() bool {
	n.told(n.n)
	return n.more
}

// newTestLoop is a loop that tells only when it is asked.
func newTestLoop(t *testing.T) (l *loop, tell func()) {
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l, func() { l.tell(uintptr(l.fd), make([]syscall.EpollEvent, 8)) }
}

func fdOf(t *testing.T, conn net.Conn) (fd uintptr) {
	t.Helper()
	if err := sockets.Raw(conn).Control(func(open uintptr) { fd = open }); err != nil {
		t.Fatal(err)
	}
	return fd
}

// Who comes while others are told is not told what was for the one before, although it has
// that one's place and descriptor.
func TestLoopTellsTheRightOne(t *testing.T) {
	l, tell := newTestLoop(t)
	first, farFirst := wiretest.TCP(t)
	second, farSecond := wiretest.TCP(t)
	fds, slots := [2]uintptr{fdOf(t, first), fdOf(t, second)}, [2]uint32{}
	var told []int
	replace := func(n int) {
		told = append(told, n)
		for i := range fds {
			l.remove(slots[i], fds[i])
		}
		for i := range fds {
			slots[i], _ = l.add(fds[i], forInput, number{n: 2 + i, told: func(n int) { told = append(told, n) }})
		}
	}
	for i := range fds {
		var err error
		if slots[i], err = l.add(fds[i], forInput, number{n: i, told: replace}); err != nil {
			t.Fatal(err)
		}
	}
	io.WriteString(farFirst, "x")
	io.WriteString(farSecond, "x")
	for len(told) == 0 {
		tell()
	}
	if len(told) != 1 {
		t.Fatalf("told %v: all that one call of epoll_wait brought was for who is gone", told)
	}
	if tell(); !slices.Equal(told[1:], []int{2, 3}) && !slices.Equal(told[1:], []int{3, 2}) {
		t.Errorf("told %v, want those who came", told[1:])
	}
	if len(l.slots) != 2 {
		t.Errorf("%d places for 2", len(l.slots))
	}
}

// Input that nobody takes is told again, and an end behind it.
func TestLoopTellsAgain(t *testing.T) {
	l, tell := newTestLoop(t)
	near, far := wiretest.TCP(t)
	n := 0
	if _, err := l.add(fdOf(t, near), forInput, number{told: func(int) { n++ }}); err != nil {
		t.Fatal(err)
	}
	for _, act := range []func(){func() { io.WriteString(far, "x") }, func() { far.CloseWrite() }} {
		act()
		for before := n; n < before+2; {
			tell()
		}
	}
}

// A closed socket and a closed loop are not polled, and leave nothing.
func TestLoopRefuses(t *testing.T) {
	l, _ := newTestLoop(t)
	near, _ := wiretest.TCP(t)
	fd := fdOf(t, near)
	near.Close()
	if _, err := l.add(fd, forInput, number{}); !errors.Is(err, syscall.EBADF) || len(l.slots) != len(l.free) {
		t.Errorf("a closed socket: %v, %d of %d places free", err, len(l.free), len(l.slots))
	}
	l.close()
	other, _ := wiretest.TCP(t)
	if _, err := l.add(fdOf(t, other), forInput, number{}); err != os.ErrClosed {
		t.Errorf("a closed loop: %v", err)
	}
}

// Urgent data that nothing follows is never read, and the loop waits nevertheless.
func TestLoopWaitsAtUrgentData(t *testing.T) {
	drivers[0].run(t, inLines(), func(j *joined) {
		j.talk(1)
		sendUrgent(j, j.client.(*net.TCPConn))
		l, events := j.pair.loop, make([]syscall.EpollEvent, 8)
		for range 1000 {
			if n, err := syscall.EpollWait(l.fd, events, 0); err != nil || n > 0 && events[0].Events&syscall.EPOLLIN == 0 {
				j.Fatalf("told %x, %v", events[0].Events, err)
			}
		}
		for l.tell(uintptr(l.fd), events) {
		}
		j.talk(1)
	})
}

// A loop that always has something to tell ends when it is closed.
func TestLoopEnds(t *testing.T) {
	l, _ := newTestLoop(t)
	near, far := wiretest.TCP(t)
	told := make(chan struct{}, 1)
	if _, err := l.add(fdOf(t, near), forInput, number{more: true, told: func(int) {
		select {
		case told <- struct{}{}:
		default:
		}
	}}); err != nil {
		t.Fatal(err)
	}
	far.CloseWrite() // which nobody takes note of
	over := make(chan struct{})
	go func() {
		l.run()
		close(over)
	}()
	<-told
	<-told
	l.close()
	<-over
}

// There is a loop for each processor, as their number is now.
func TestPollerFollowsProcessors(t *testing.T) {
	var p Poller
	defer p.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, n := range []int{1, 3, 2} {
		runtime.GOMAXPROCS(n)
		seen := map[*loop]bool{}
		for range 20 {
			seen[p.pick()] = true
		}
		if len(seen) != n {
			t.Errorf("%d loops for %d processors", len(seen), n)
		}
	}
}

// Where a socket cannot be polled, its flow has a goroutine, which is said once: here the
// socket is in the set already.
func TestPollerIsFull(t *testing.T) {
	said := make(chan error, 10)
	poller := crowded(&Poller{Full: func(err error) { said <- err }})
	defer poller.Close()
	for range 2 {
		nearClient, client := wiretest.TCP(t)
		nearBackend, backend := wiretest.TCP(t)
		s := inLines()
		s.closed = make(chan struct{})
		p := new(Pair)
		p.Join(&Config{Write: writeTimeout, Close: closeTimeout, Poller: poller}, s, Leg{Conn: nearClient}, Leg{Conn: nearBackend})
		for _, near := range []net.Conn{nearClient, nearBackend} {
			if _, err := p.loop.add(fdOf(t, near), 0, number{told: func(int) {}}); err != nil {
				t.Fatal(err)
			}
		}
		p.Start()
		j := &joined{TB: t, script: s, pair: p, client: client, backend: backend}
		j.talk(3)
		client.CloseWrite()
		j.all(client, "bye\n")
		j.all(backend, "bye\n")
		backend.Close()
		j.over()
	}
	if err := <-said; !errors.Is(err, syscall.EEXIST) {
		t.Errorf("said %v", err)
	}
	if len(said) > 0 {
		t.Errorf("said more than once: %v", <-said)
	}
}

// Without a descriptor for the Poller each flow has a goroutine, and so has who asks whether
// a client has left.
func TestPollerWithoutDescriptors(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	said := 0
	p := Poller{Full: func(error) { said++ }}
	defer p.Close()
	none := limit
	none.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	first, second := p.pick(), p.pick()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if first != nil || second != nil || said != 1 {
		t.Errorf("got %v and %v, said %d times", first, second, said)
	}
	if p.pick() == nil {
		t.Error("no loop when there are descriptors again")
	}
}

// What a source is watched for wakes the goroutine that owns its flow. Without that, a flow
// was woken only to be parked, seconds later.
func TestWatchWakes(t *testing.T) {
	t.Parallel()
	d := drivers[slices.IndexFunc(drivers, func(d driver) bool { return d.name == "poller-later" })]
	d.run(t, inLines(), func(j *joined) {
		l := j.pair.loop
		holdLoop(l, func() { // nobody is parked any more
			if l.timer != nil {
				l.timer.Stop()
			}
			l.timer = time.NewTimer(time.Hour)
		})
		j.talk(busy)
		polledIs(j, j.poller, 2)
		holdLoop(l, func() {
			fd := int(fdOf(t, j.client))
			if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_CORK, 1); err != nil {
				t.Fatal(err)
			}
			say(j.client, "one\n")
			j.client.CloseWrite() // in the same segment
			j.get(j.backend, "one\n")
		})
		j.all(j.backend, "bye\n")
		j.backend.Close()
		j.over()
	})
}
