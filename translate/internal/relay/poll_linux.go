package relay

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// What a socket is polled for, besides a reset.
const (
	forData   = syscall.EPOLLIN
	forInput  = forData | syscall.EPOLLRDHUP | syscall.EPOLLPRI // an end, and urgent data
	forLeft   = syscall.EPOLLRDHUP | syscall.EPOLLONESHOT       // told once
	forSignal = syscall.EPOLLIN | 1<<31                         // EPOLLET
)

// A loop is an epoll set and the goroutine that runs what it tells. Go's own set has those
// sockets too that are not detached, which is allowed, but hands on only what a Read or Write
// waits for.
type loop struct {
	file   *os.File
	fd     int
	signal uintptr // an event for the loop itself

	carried int // of the budget, since others could run; run's

	mu     sync.Mutex
	slots  []place
	free   []uint32    // slots that nobody has
	closed atomic.Bool // set while mu is held

	awake map[*flow]int64 // those that goroutines own, and their waits when last looked at
	timer *time.Timer     // of sweep; nil while there are none
}

// A place is where epoll's events lead. Its number and turn are never the same for two
// sockets, though a descriptor may be.
type place struct {
	who  waiter
	turn uint32
}

// newLoop makes a loop. It fails without descriptors, and where Go's own poller has no room
// for one more (fs.epoll.max_user_watches).
func newLoop() (*loop, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	syscall.SetNonblock(fd, true) // or waiting for it would take a thread
	file := os.NewFile(uintptr(fd), "epoll")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, err
	}
	signal, err := sockets.NewSignal()
	if err != nil {
		file.Close()
		return nil, err
	}
	l := &loop{file: file, fd: fd, signal: signal}
	if _, err := l.add(signal, forSignal, nil); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// add has w told of events. It fails if the socket is closed, or the system has no room for
// one more.
func (l *loop) add(fd uintptr, events uint32, w waiter) (slot uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Load() {
		return 0, os.ErrClosed
	}
	n := uint32(len(l.slots))
	if last := len(l.free) - 1; last >= 0 {
		n, l.free = l.free[last], l.free[:last]
	} else {
		l.slots = append(l.slots, place{})
	}
	l.slots[n].who = w
	if err := l.control(syscall.EPOLL_CTL_ADD, fd, events, n); err != nil {
		l.leave(n)
		return 0, err
	}
	return n, nil
}

// control changes what a socket is polled for. The caller holds mu, or the slot.
func (l *loop) control(op int, fd uintptr, events, n uint32) error {
	e := syscall.EpollEvent{Events: events, Fd: int32(n), Pad: int32(l.slots[n].turn)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.fd, op, int(fd), &e))
}

// leave frees a slot. The caller holds mu.
func (l *loop) leave(n uint32) {
	l.slots[n] = place{turn: l.slots[n].turn + 1}
	l.free = append(l.free, n)
}

// remove ends an add. The socket leaves the set: a reset cannot be masked, and epoll does not
// wake the loop for a socket whose events change while it is in the set's ready list.
func (l *loop) remove(slot uint32, fd uintptr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed.Load() {
		l.control(syscall.EPOLL_CTL_DEL, fd, 0, slot)
	}
	l.leave(slot)
}

func (l *loop) close() {
	l.mu.Lock()
	again := l.closed.Swap(true)
	clear(l.slots)
	l.mu.Unlock()
	if again {
		return
	}
	l.file.Close() // it waits for run, which may want mu
	syscall.Close(int(l.signal))
}

// sweepEvery is half of how long a flow may keep a goroutine without a wait.
const sweepEvery = time.Second

// crowd is how many flows of a loop have a goroutine when a new one gets none: a fleet that
// connects at once needs no stack for each.
const crowd = 64

// wakes notes that a goroutine owns a flow.
func (l *loop) wakes(f *flow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.awake == nil {
		l.awake = map[*flow]int64{}
	}
	l.awake[f] = f.waits.Load()
	if l.timer == nil && !l.closed.Load() {
		l.timer = time.AfterFunc(sweepEvery, l.sweep)
	}
}

// isCrowded reports whether so many flows have a goroutine that new ones should have none.
func (l *loop) isCrowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.awake) >= crowd
}

// sleeps notes that no goroutine owns a flow any more.
func (l *loop) sleeps(f *flow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.awake, f)
}

// sweep has the flows parked that have not waited for the other side, or for more of a large
// message, since it was called last, and gives those that are new what a connection that lasts
// needs.
func (l *loop) sweep() {
	var idle, young []*flow
	l.mu.Lock()
	for f, waits := range l.awake {
		now := f.waits.Load()
		if !f.src.kept.Load() {
			young = append(young, f)
		}
		l.awake[f] = now
		if now == waits && f.held.Load() == 0 {
			idle = append(idle, f)
		}
	}
	l.timer = nil
	if len(l.awake) == 0 {
		l.awake = nil
	} else if !l.closed.Load() {
		l.timer = time.AfterFunc(sweepEvery, l.sweep)
	}
	l.mu.Unlock()
	for _, f := range young {
		f.src.keepAlive()
	}
	for _, f := range idle {
		f.wake(orderPark)
	}
}

// run has everybody told until the loop is closed. Go's poller tells that the set has
// something new, once, and the callback never says that it has had enough: otherwise what
// is told meanwhile would be forgotten. Where there may be more that Go's poller does not tell,
// the loop asks again, and after a budget has Go's poller tell of the signal. Without that
// wait in between, Go would ask its poller only every 10 ms, because the loop is never idle.
// Where hogs never let Go be idle, the wait would be as long, so the loop yields as they do.
func (l *loop) run() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]syscall.EpollEvent, 64)
	raw.Read(func(fd uintptr) bool {
		for l.carried = 0; l.tell(fd, events) && !l.closed.Load(); l.carried %= budget {
			if l.carried >= budget && !letOthersRun() {
				sockets.Signal(l.signal)
				break
			}
		}
		return l.closed.Load()
	})
}

// tell tells what one call of epoll_wait brings. It returns true if there may be more that
// Go's poller does not tell, because it is not new, or because it came while several were
// told: to ask again is cheaper than to wait.
func (l *loop) tell(fd uintptr, events []syscall.EpollEvent) (more bool) {
	n, err := sockets.PollNow(fd, events)
	if err != nil {
		return err == syscall.EINTR
	}
	l.carried += n * perEvent
	more = n > 1
	for _, e := range events[:n] {
		if w := l.waiter(e); w != nil && w.ready(e.Events) {
			more = true
		}
	}
	return more
}

// waiter is whom an event is for; nil if nobody waits any more.
func (l *loop) waiter(e syscall.EpollEvent) waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := &l.slots[e.Fd]; s.turn == uint32(e.Pad) {
		return s.who
	}
	return nil
}
