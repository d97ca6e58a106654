package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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
		n += len(l.slots) - len(l.free) - 1 // its signal
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

func (n number) ready(uint32) bool {
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
	if len(l.slots) != 3 {
		t.Errorf("%d places for 2 and the signal", len(l.slots))
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
	before := wiretest.Descriptors(t)
	l, _ := newTestLoop(t)
	near, _ := wiretest.TCP(t)
	fd := fdOf(t, near)
	near.Close()
	if _, err := l.add(fd, forInput, number{}); !errors.Is(err, syscall.EBADF) || len(l.slots) != len(l.free)+1 {
		t.Errorf("a closed socket: %v, %d of %d places free", err, len(l.free), len(l.slots))
	}
	l.close()
	if now := wiretest.Descriptors(t); now != before+1 {
		t.Errorf("%d descriptors, before %d and one end of a connection", now, before)
	}
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
		waits := 0
		for events := make([]syscall.EpollEvent, 8); waits < 100; runtime.Gosched() {
			n, err := sockets.PollNow(uintptr(j.pair.loop.fd), events)
			if err != nil {
				t.Fatal(err)
			}
			if waits++; n > 0 {
				waits = 0
			}
		}
		j.talk(1)
	})
}

// byHand is a Pair whose flows are parked at a loop that tells only when it is asked.
func byHand(t *testing.T, test func(j *joined, events []syscall.EpollEvent)) {
	l, _ := newTestLoop(t)
	d := drivers[0]
	d.set = func(c *Config) {
		c.Poller.loops = slices.Repeat([]*loop{l}, runtime.GOMAXPROCS(0))
		crowded(c.Poller)
	}
	d.run(t, inLines(), func(j *joined) {
		if !j.owned(parked) {
			t.Fatal("the flows are not parked")
		}
		test(j, make([]syscall.EpollEvent, 8))
		go l.run()
	})
}

// heard waits until a loop has something, of which the bits of one event include bits.
func heard(t *testing.T, l *loop, events []syscall.EpollEvent, bits uint32) syscall.EpollEvent {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); runtime.Gosched() {
		n, err := sockets.PollNow(uintptr(l.fd), events)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events[:n] {
			if e.Events&bits == bits {
				return e
			}
		}
	}
	t.Fatalf("never heard of %x", bits)
	return syscall.EpollEvent{}
}

// What a read leaves is told by Go's poller if it came behind the events for which the flow
// reads, and otherwise the events say so. A flow whose read has left nothing is not read again.
func TestWhatAReadLeaves(t *testing.T) {
	const in, end, urgent = syscall.EPOLLIN, syscall.EPOLLRDHUP, syscall.EPOLLPRI
	finish := func(j *joined) { j.client.CloseWrite() }
	oob := func(j *joined) {
		sendUrgent(j, j.client.(*net.TCPConn))
		say(j.client, "behind\n")
	}
	for _, test := range []struct {
		name          string
		before, after func(j *joined) // those events
		bits          uint32
		more          bool
		rest          string
	}{
		{"nothing", nil, nil, in, false, ""},
		{"an end", finish, nil, in | end, true, "bye\n"},
		{"a later end", nil, finish, in, false, "bye\n"},
		{"behind urgent data", oob, nil, in | urgent, true, "behind\n"},
		{"behind later urgent data", nil, oob, in, false, "behind\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			byHand(t, func(j *joined, events []syscall.EpollEvent) {
				l := j.pair.loop
				outer, tell := newTestLoop(t) // in the place of Go's poller
				news := 0
				if _, err := outer.add(uintptr(l.fd), forSignal, number{told: func(int) { news++ }}); err != nil {
					t.Fatal(err)
				}
				say(j.client, "one\n")
				if test.before != nil {
					test.before(j)
				}
				e := heard(t, l, events, test.bits)
				tell()
				news = 0
				if test.after != nil {
					test.after(j)
					heard(t, l, events, in)
					for news == 0 {
						tell()
					}
				}
				if more := l.waiter(e).ready(e.Events); more != test.more {
					t.Errorf("there may be more: %v", more)
				}
				j.get(j.backend, "one\n")
				for test.rest != "" && l.tell(uintptr(l.fd), events) {
				}
				j.get(j.backend, test.rest)
			})
		})
	}
}

// A loop that always has something to tell lets others run, and those who wait in Go's poller:
// without that they waited 10 ms, for thousands of rounds each.
func TestLoopLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var p Poller
	defer p.Close()
	near, far := wiretest.TCP(t)
	io.WriteString(far, "never read")
	var rounds atomic.Int64
	l := p.pick()
	slot, err := l.add(fdOf(t, near), forInput, number{more: true, told: func(int) { rounds.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	one, other := wiretest.TCP(t)
	go io.Copy(one, one)
	for rounds.Load() == 0 {
		runtime.Gosched()
	}
	const questions = 200
	before := rounds.Load()
	for b := make([]byte, 1); rounds.Load() == before; {
		for range questions {
			other.Write(b)
			if _, err := other.Read(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	took := rounds.Load() - before
	if took > 300*questions {
		t.Errorf("%d rounds of the loop for %d answers", took, questions)
	}
	for end := time.Now().Add(time.Minute); rounds.Load() <= before+took+100; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the loop does not go on")
		}
	}
	l.remove(slot, fdOf(t, near))
}

// Where flows with goroutines keep every processor busy, Go asks its poller every 10 ms. A loop
// does not wait for that: it takes turns with them.
func TestLoopBesideHogs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l, _ := newTestLoop(t)
	near, far := wiretest.TCP(t)
	io.WriteString(far, "never read")
	var rounds atomic.Int64
	if _, err := l.add(fdOf(t, near), forInput, number{more: true, told: func(int) { rounds.Add(1) }}); err != nil {
		t.Fatal(err)
	}
	var hog flow
	defer hog.rests()
	yield := func() {
		hog.spent = budget
		hog.yield()
	}
	yield()
	go l.run()
	for rounds.Load() == 0 {
		yield()
	}
	before := rounds.Load()
	const turns = 10_000
	for range turns {
		yield()
	}
	if took := rounds.Load() - before; took < turns {
		t.Errorf("%d rounds of the loop for %d turns of a flow", took, turns)
	}
}

// A flow has the same budget in a loop. The first turn may look one read longer: the event of the
// loop's own signal comes with the second.
func TestLoopBudget(t *testing.T) {
	for name, of := range map[string]struct {
		message string
		most    int
	}{
		"messages":       {"as fast as it goes, in messages that are not so short\n", 2 * readSize},
		"long messages":  {strings.Repeat("as fast as it goes, ", 100) + "\n", budget + readSize},
		"short messages": {"as fast as it goes\n", readSize + shortRead},
	} {
		t.Run(name, func(t *testing.T) {
			drivers[0].run(t, patiently(counting)(), func(j *joined) {
				j.parked()
				j.untilDetached()
				l := j.pair.loop
				l.mu.Lock() // nobody hears of it before enough has come
				j.flood(of.message, of.most, func() {
					for same, last := 0, 0; same < 20; time.Sleep(5 * time.Millisecond) {
						now := j.pair.sockets[Client].received()
						if same++; now != last || now == 0 {
							same, last = 0, now
						}
					}
				}, l.mu.Unlock, func() { time.Sleep(time.Millisecond) })
			})
		})
	}
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

// A flow that has waited, for the other side or for more of a large message, keeps its
// goroutine until it has not waited between two sweeps.
func TestSweep(t *testing.T) {
	large := strings.Repeat("x", 2*maxRest)
	for name, wait := range map[string]func(j *joined){
		"stall": func(j *joined) {
			j.stall("first\n")()
			j.get(j.backend, "first\n")
		},
		"large message": func(j *joined) {
			say(j.client, large)
			for j.pair.flows[Client].waits.Load() == 0 {
				runtime.Gosched()
			}
			say(j.client, "\n")
			j.get(j.backend, large+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			drivers[0].run(t, inLines(), func(j *joined) {
				l, f := j.pair.loop, &j.pair.flows[Client]
				sweep := func() {
					l.sweep()
					l.mu.Lock()
					l.timer.Stop()
					l.mu.Unlock()
				}
				j.parked()
				sweep()
				wait(j)
				if sweep(); f.owner.Load() != running || f.orders.Load() != 0 {
					t.Error("a flow that has waited is parked")
				}
				sweep()
				j.parked()
			})
		})
	}
}

// A new flow keeps its goroutine for as many reads as a short connection needs, and is parked
// then without a sweep; not if it has waited.
func TestSteady(t *testing.T) {
	for name, waits := range map[string]int64{"never waited": 0, "waited": 1} {
		t.Run(name, func(t *testing.T) {
			drivers[1].run(t, inLines(), func(j *joined) {
				l, up, down := j.pair.loop, &j.pair.flows[Client], &j.pair.flows[Backend]
				l.mu.Lock()
				l.timer.Stop() // it does not sweep
				l.mu.Unlock()
				up.waits.Add(waits)
				for down.reads.Load() < steadyReads-1 {
					j.talk(1)
					if up.owner.Load() != running || down.owner.Load() != running {
						t.Fatalf("parked after %d and %d reads", up.reads.Load(), down.reads.Load())
					}
				}
				j.talk(1)
				for down.owner.Load() != parked {
					time.Sleep(time.Millisecond)
				}
				for waits == 0 && up.owner.Load() != parked {
					time.Sleep(time.Millisecond)
				}
				j.talk(steadyReads)
				if owner := up.owner.Load(); waits != 0 && owner != running {
					t.Errorf("the owner of a flow that has waited is %d", owner)
				}
				if !j.pair.sockets[Backend].kept.Load() {
					t.Error("the backend of a flow that was parked before a sweep has no keep-alive")
				}
				if waits == 0 {
					j.untilDetached()
				}
			})
		})
	}
}

// A flow that cannot be parked is not steady: it waits for its source, and does not look again
// and again.
func TestSteadyCanPark(t *testing.T) {
	for name, set := range map[string]func(*flow){
		"can be parked":          func(*flow) {},
		"the gateway's own end":  func(f *flow) { f.parting = new(parting) },
		"orders":                 func(f *flow) { f.orders.Store(orderParting) },
		"an unfinished message":  func(f *flow) { f.in = new([readSize]byte) },
		"over":                   func(f *flow) { f.readErr = io.EOF },
		"without a Poller":       func(f *flow) { f.alone = true },
		"young":                  func(f *flow) { f.reads.Store(steadyReads - 1) },
		"waits for other things": func(f *flow) { f.waits.Store(1) },
	} {
		f := new(flow)
		f.reads.Store(steadyReads)
		set(f)
		if got, want := f.isSteady(), name == "can be parked"; got != want {
			t.Errorf("%s: steady %v, want %v", name, got, want)
		}
	}
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
