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
	crowded := !f.alone && f.p.loop.isCrowded()
	if f.alone || crowded {
		f.src.keepAlive()
	}
	if crowded && len(f.rest) == 0 && f.park() {
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
		go f.run()
		return
	}
	f.src.conn.SetReadDeadline(past)
}

// park leaves the flow to the Poller, if it waits for nothing but its source. It is polled
// before it is parked, so that whoever takes it ends that.
func (f *flow) park() bool {
	f.idle = false
	if f.alone || f.in != nil || f.parting != nil || f.ended() || f.orders.Load() != 0 {
		return false
	}
	f.unwatch()
	if !f.poll(forInput) {
		return false
	}
	f.p.loop.sleeps(f)
	f.owner.Store(parked)
	return f.orders.Load() == 0 || !f.take()
}

// poll has the source polled. If it cannot be, the flow keeps its goroutine for good.
func (f *flow) poll(events uint32) bool {
	slot, err := f.p.loop.add(f.src.fd, events, f)
	if err != nil {
		f.alone = true
		f.src.keepAlive()
		f.p.loop.sleeps(f)
		f.p.config.Poller.isFull(err)
	}
	f.slot, f.turns = slot, 0
	return err == nil
}

// unwatch ends the watch of the source.
func (f *flow) unwatch() {
	if f.watched {
		f.p.loop.remove(f.slot, f.src.fd)
	}
	f.watched = false
	f.told.Store(false)
}

// take takes a flow that is parked from the Poller.
func (f *flow) take() bool {
	if !f.owner.CompareAndSwap(parked, running) {
		return false
	}
	f.leave()
	return true
}

// leave has the flow polled no more. A goroutine owns it from now on.
func (f *flow) leave() {
	f.p.loop.remove(f.slot, f.src.fd)
	if f.readErr == nil {
		f.p.loop.wakes(f)
	}
	f.turns = 0
	f.told.Store(false)
}

// ready is the Poller's. While the flow is parked it carries what one read brings. A flow
// that is busy, or would have to wait, or that is over, goes on in a goroutine, which is
// told what its source is watched for.
func (f *flow) ready() (more bool) {
	if !f.owner.CompareAndSwap(parked, polled) {
		f.told.Store(true)
		f.src.conn.SetReadDeadline(past)
		return true // or it is just being parked
	}
	found := f.turn(f.src.fd)
	if found == trouble || f.in != nil || f.turns >= busyAfter {
		f.owner.Store(running)
		f.leave()
		go f.run()
		return false
	}
	f.owner.Store(parked)
	if f.orders.Load() != 0 && f.take() {
		go f.run()
	}
	return found != nothing
}

// complete reports whether a read that did not fill its buffer has taken all there was, the
// end of TCP included: the end may have come with the data, and is not told again, but by
// the watch (epoll(7)).
func (f *flow) complete() bool {
	if !f.watched && !f.alone && f.turns >= busyAfter {
		f.watched = f.poll(forEnd)
		return false // it may have come already
	}
	return f.watched && !f.told.Load()
}
