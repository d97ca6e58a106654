package relay

import (
	"syscall"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// detach takes the sockets of a Pair out of Go's poller, where both flows are parked: the
// loop alone waits for them. It owns both flows meanwhile.
func (p *Pair) detach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	up, down := &p.flows[Client], &p.flows[Backend]
	if p.closing != nil || !up.hold() {
		return
	}
	if down.hold() {
		up.src.detach(up)
		down.src.detach(down)
		down.handOver()
	}
	up.handOver()
}

// hold takes a flow that is parked for the time of detach.
func (f *flow) hold() bool { return f.owner.CompareAndSwap(parked, polled) }

// detach takes the source of a flow out of Go's poller. Without a descriptor, or where
// the system has no room to poll that too, it stays there.
func (s *socket) detach(f *flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detached || s.stalled || !s.base.CanDetach() {
		return
	}
	fd, err := sockets.Dup(s.fd)
	if err != nil {
		return
	}
	slot, err := f.p.loop.add(fd, forInput, f)
	if err != nil {
		syscall.Close(int(fd))
		return
	}
	f.p.loop.remove(f.slot, s.fd)
	s.base.Detach(fd)
	f.slot, s.fd, s.detached = slot, fd, true
}

// attach puts the sockets into Go's poller again, for a flow that may wait for either, or for
// the end.
func (p *Pair) attach() {
	for i := range p.sockets {
		s := &p.sockets[i]
		s.mu.Lock()
		s.attach()
		s.mu.Unlock()
	}
}

// attach must be called with mu held.
func (s *socket) attach() {
	if s.detached {
		s.p.config.Poller.isFull(s.base.Attach())
		s.detached = false
	}
}
