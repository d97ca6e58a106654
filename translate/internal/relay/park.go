package relay

// Who owns a flow.
const (
	running uint32 = iota // a goroutine
	parked                // nobody: the Poller tells when the source has something
	polled                // the Poller, for a turn
)

// start gives the flow its first owner: a goroutine, where few flows have one, because most
// connections that are short are over before it would be parked.
func (f *flow) start() {
	if f.alone {
		f.src.keepAlive()
	} else if len(f.rest) == 0 && f.p.loop.isCrowded() && f.park() {
		return
	}
	if !f.alone {
		f.p.loop.wakes(f)
	}
	go func() {
		f.begin()
		f.run()
	}()
}

// wake has the flow look at its orders.
func (f *flow) wake(order uint32) {
	f.orders.Or(order)
	if f.take() {
		return
	}
	f.src.conn.SetReadDeadline(past)
}

// canPark reports whether the flow waits for nothing but its source.
func (f *flow) canPark() bool {
	return !f.alone && f.in == nil && f.parting == nil && !f.ended() && f.orders.Load() == 0
}

// park leaves the flow to the Poller, if it waits for nothing but its source. It is polled
// before it is parked, so that whoever takes it ends that. If it cannot be polled, it keeps its
// goroutine for good.
func (f *flow) park() bool {
	f.idle = false
	if !f.canPark() {
		return false
	}
	f.src.keepAlive() // a steady flow comes before the sweep
	slot, err := f.p.loop.add(f.src.fd, forInput, f)
	f.p.loop.sleeps(f)
	if err != nil {
		f.alone = true
		f.p.config.Poller.isFull(err)
		return false
	}
	f.slot, f.quiet = slot, nil
	f.rests()
	f.handOver()
	f.p.detach()
	return true
}

// handOver gives a flow to the Poller, or to a goroutine, if there are orders.
func (f *flow) handOver() {
	f.owner.Store(parked)
	if f.orders.Load() != 0 {
		f.take()
	}
}

// take takes a flow that is parked from the Poller, and gives it a goroutine.
func (f *flow) take() (taken bool) {
	if taken = f.owner.CompareAndSwap(parked, running); taken {
		f.leave()
	}
	return taken
}

// leave has the flow polled no more: a goroutine owns it from now on, which may wait.
func (f *flow) leave() {
	f.p.loop.remove(f.slot, f.src.fd)
	f.p.attach()
	if f.readErr == nil {
		f.p.loop.wakes(f)
	}
	go f.run()
}

// ready is the Poller's. It carries what one read brings. A flow that would have to wait, or
// that is over, goes on in a goroutine. A read that did not fill its buffer may have left
// something that is not new where there is an end of TCP or urgent data.
func (f *flow) ready(events uint32) (more bool) {
	if !f.owner.CompareAndSwap(parked, polled) {
		return true // it is just being parked, or taken
	}
	found := f.turn(f.src.fd)
	f.p.loop.carried, f.spent = f.p.loop.carried+f.spent, 0
	if found == trouble || f.in != nil {
		f.owner.Store(running)
		f.leave()
		return false
	}
	f.handOver()
	return found == full || found == some && events&^forData != 0
}
