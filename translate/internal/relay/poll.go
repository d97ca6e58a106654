package relay

import (
	"errors"
	"os"
	"runtime"
	"sync"
)

// A Poller tells those who wait for a socket that it has something, so that waiting takes
// no goroutine. It does so on Linux; elsewhere every socket has a goroutine that reads. It
// notices, too, that the other side has left while nobody reads. The zero value is ready.
// All methods may be called concurrently.
type Poller struct {
	// Full is called once, with the system's error, when a socket cannot be polled. It has
	// a goroutine that reads then.
	Full func(error)

	mu     sync.Mutex
	loops  []*loop
	next   int
	closed bool
	full   sync.Once
}

// A waiter waits for a socket. ready is called by the one goroutine of a loop, which
// everybody else waits for meanwhile, with epoll's events, and returns true if the socket may
// have more that is not new: it is called again then, after all others.
type waiter interface {
	ready(events uint32) (more bool)
}

// Start takes what the Poller needs, two descriptors for each processor, before the first
// socket does. It may be called more than once.
func (p *Poller) Start() { p.pick() }

// pick returns the loop for the next socket, or for the two of a Pair; nil if there is none.
func (p *Poller) pick() *loop {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := runtime.GOMAXPROCS(0) // it follows the CPU limit of a container
	for !p.closed && len(p.loops) < n {
		l, err := newLoop()
		if err != nil {
			p.isFull(err)
			break
		}
		go l.run()
		p.loops = append(p.loops, l)
	}
	if n = min(n, len(p.loops)); n == 0 {
		return nil
	}
	p.next++
	return p.loops[p.next%n]
}

// isFull reports why a socket is not polled, if it is not.
func (p *Poller) isFull(err error) {
	if err != nil && p.Full != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrClosed) {
		p.full.Do(func() { p.Full(err) })
	}
}

// Close ends all loops. No waiter is called any more.
func (p *Poller) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.loops {
		l.close()
	}
	p.loops = nil
}
