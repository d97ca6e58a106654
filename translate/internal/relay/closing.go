package relay

import "time"

const (
	// linger is how long a side that has said its last words, and heard ours, has
	// to end TCP.
	linger = time.Second
	// slowest is the rate, in bytes a second, at which a side must take what is on
	// its way when the end begins.
	slowest = 1 << 10
	// A send queue has no event: it is asked at growing intervals.
	quickPoll = 20 * time.Millisecond
	slowPoll  = 500 * time.Millisecond
)

// closing is what a Pair knows of its end.
type closing struct {
	limit    time.Time // when everything is over; progress does not move it; zero = not fixed yet
	poll     time.Duration
	onItsWay int     // bytes, when the end began, besides the send queues
	parting  [2]*Say // the last words that wait for what has been received
	sides    [2]closingSide
}

// closingSide is what is known of a side.
type closingSide struct {
	lost    bool      // it is given up: nothing is waited for that it should take
	taken   bool      // it has taken all, the last words too
	queue   int       // what it had not taken when that was last looked at
	reads   int64     // of the flow that goes to it, then
	moved   time.Time // when one of them was last seen to change
	free    time.Time // when it had taken all
	heard   time.Time // when it said its last words
	stopped bool      // its flow is ordered to stop
}

// isOver reports whether nothing is waited for that the side should take.
func (c *closingSide) isOver() bool { return c.lost || c.taken }

// begin begins the end. How long it may take is fixed when it is first looked at.
func (p *Pair) begin(afterInput bool) {
	p.closing = &closing{poll: quickPoll}
	p.attach()
	for side := range p.sockets {
		p.closing.onItsWay += int(p.flows[side].held.Load())
		if afterInput {
			p.closing.onItsWay += p.sockets[side].received()
		}
	}
}

// fix fixes when all is over at the latest: the close timeout, and what is on its way now
// at the slowest rate.
func (p *Pair) fix(now time.Time, queues [2]int) {
	total := p.closing.onItsWay + queues[Client] + queues[Backend]
	p.closing.limit = now.Add(p.config.Close + time.Duration(total)*(time.Second/slowest))
}

// checkClosing reports when to look again, or that both sides are done.
func (p *Pair) checkClosing(now time.Time) (next time.Time, done bool) {
	var out [2]bool
	var queues [2]int
	for i := range p.sockets {
		if !p.closing.sides[i].isOver() {
			out[i] = p.sockets[i].isOut() // before the queue, which then has all there will be
			queues[i] = p.sockets[i].queue()
		}
	}
	if p.closing.limit.IsZero() {
		p.fix(now, queues)
	}
	done = true
	for i := range p.sockets {
		side := Side(i)
		if p.taking(side, out[i], queues[i], now) {
			c := &p.closing.sides[side]
			next = earliest(next, earliest(now.Add(p.closing.poll), c.moved.Add(p.config.Write)))
			done = false
		} else if !p.over[side] {
			next = earliest(next, p.hearing(side, now))
			done = false
		} else if !p.sockets[side].isOut() && !p.closing.sides[side].lost {
			done = false
		}
	}
	if !done && now.Before(p.closing.limit) {
		next = earliest(next, p.closing.limit)
	}
	return next, done
}

// taking reports whether a side is still to take something. One that takes nothing
// for the write timeout is given up, and at the limit everybody is.
func (p *Pair) taking(side Side, out bool, queue int, now time.Time) bool {
	s, into, c := &p.sockets[side], &p.flows[side.other()], &p.closing.sides[side]
	if c.isOver() {
		return false
	}
	if s.finishEnd(queue) {
		p.closing.poll = quickPoll // for the answer to that
	}
	queue += int(into.held.Load())
	c.taken = queue == 0 && out
	if c.taken || queue == 0 && p.closing.parting[side] == nil && !s.isBusy() ||
		(p.over[side] || queue == c.queue) && s.base.IsClosed() {
		return false
	}
	if reads := into.reads.Load(); c.moved.IsZero() || queue != c.queue || reads != c.reads {
		c.queue, c.reads, c.moved = queue, reads, now
	}
	if now.Before(c.moved.Add(p.config.Write)) && now.Before(p.closing.limit) {
		return true
	}
	p.giveUp(side)
	return false
}

// hearing returns by when a side that has taken all must have said its last words
// and ended TCP. When that has come, its flow is stopped.
func (p *Pair) hearing(side Side, now time.Time) (by time.Time) {
	c := &p.closing.sides[side]
	waits := p.flows[side].held.Load() > 0 || p.closing.parting[side.other()] != nil // for the other side
	switch {
	case waits:
		c.free = time.Time{}
		by = p.closing.limit
	case c.free.IsZero():
		c.free = now
		fallthrough
	default:
		by = earliest(c.free.Add(p.config.Close), p.closing.limit)
		if !c.heard.IsZero() {
			from := c.heard
			if from.Before(c.free) {
				from = c.free
			}
			by = earliest(by, from.Add(linger))
		}
	}
	if !now.Before(by) && !c.stopped {
		c.stopped = true
		p.flows[side].wake(orderStop)
	}
	if c.stopped {
		return time.Time{}
	}
	return by
}

// giveUp is for a side that did not take what was on its way.
func (p *Pair) giveUp(side Side) {
	if !p.closing.sides[side].lost {
		p.abandon(side)
		p.decide(Event{Kind: WriteTimeout, Side: side})
	}
}

// abandon ends everything that waits for a side.
func (p *Pair) abandon(side Side) {
	c := &p.closing.sides[side]
	c.lost, c.stopped = true, true
	p.sockets[side].cut()
	p.flows[side].wake(orderStop)
}

// close closes both sockets. Nobody reads or writes any more.
func (p *Pair) close() {
	for i := range p.sockets {
		s, c := &p.sockets[i], &p.closing.sides[i]
		if !c.taken {
			p.undelivered[i] = int64(s.lost(s.queue()))
		}
		s.close(c.lost)
	}
	p.protocol.Closed(p)
}
