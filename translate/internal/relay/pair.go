package relay

import (
	"net"
	"sync"
	"time"
)

// A Config is what the Pairs of a gateway have in common.
type Config struct {
	Write  time.Duration // that a side may take nothing for
	Close  time.Duration // for the last words of a side, and its end of TCP
	Poller *Poller       // nil = each flow has a goroutine
}

// A Leg is one of the two connections of a Pair, and what has been read from it.
type Leg struct {
	Conn net.Conn
	Rest []byte
}

// A Pair carries bytes between a client and a backend.
type Pair struct {
	config   *Config
	protocol Protocol
	tap      func(from Side, written bool, data []byte)
	loop     *loop     // nil = each flow has a goroutine
	sockets  [2]socket // by Side
	flows    [2]flow   // by the Side that they read from

	mu      sync.Mutex // never held while somebody waits
	timer   *time.Timer
	next    time.Time     // when a Tick is due
	readBy  *[2]time.Time // when a side that takes nothing more must have said why
	over    [2]bool       // the flow that reads from the side
	closing *closing      // nil until the Pair ends
	done    bool          // both sides are

	undelivered [2]int64 // bytes, to the side, when the Pair is closed
}

// Join joins two connections. They are the Pair's from now on.
func (p *Pair) Join(config *Config, protocol Protocol, client, backend Leg) {
	p.config, p.protocol = config, protocol
	p.sockets[Client].init(p, Client, client.Conn)
	p.sockets[Backend].init(p, Backend, backend.Conn)
	if p.sockets[Client].bare || p.sockets[Backend].bare {
		p.loop = config.Poller.pick()
	}
	p.tap = protocol.Tap()
	up, down := protocol.Codecs()
	p.flows[Client].init(p, &p.sockets[Client], &p.sockets[Backend], up, client.Rest)
	p.flows[Backend].init(p, &p.sockets[Backend], &p.sockets[Client], down, backend.Rest)
	p.flows[Client].meter, p.flows[Backend].meter = protocol.Meters()
}

// Start begins to carry.
func (p *Pair) Start() {
	p.handle(Event{Kind: Started})
	p.flows[Client].start()
	p.flows[Backend].start()
}

// Shutdown asks the Protocol for the gateway's own end.
func (p *Pair) Shutdown() { p.handle(Event{Kind: Shutdown}) }

// Cut closes both sockets at once. It is for a Pair that was told to shut down.
func (p *Pair) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing == nil || p.done {
		return
	}
	p.abandon(Client)
	p.abandon(Backend)
	p.check()
}

// Counts is what has been carried from a side to the other.
func (p *Pair) Counts(from Side) (messages, bytes int64) {
	return p.flows[from].messages.Load(), p.flows[from].bytes.Load()
}

// Undelivered is how many bytes a side had not taken when the Pair was closed, and
// how many of them Counts has counted: those that had left for the side. It is for
// Protocol.Closed.
func (p *Pair) Undelivered(to Side) (all, counted int64) {
	return p.undelivered[to] + p.flows[to.other()].unsent.Load(), p.undelivered[to]
}

// Told reports whether a side has taken the last words and all before them. It is for
// Protocol.Closed.
func (p *Pair) Told(side Side) bool {
	all, _ := p.Undelivered(side)
	return all == 0 && !p.closing.sides[side].lost && p.sockets[side].told
}

// handle has the Protocol decide, and does what it says.
func (p *Pair) handle(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide(e)
	p.check()
}

func (p *Pair) decide(e Event) {
	e.Now = time.Now()
	a := p.protocol.Handle(e)
	if a.End && p.closing == nil {
		p.begin(a.AfterInput)
	}
	if a.Heard && p.closing != nil {
		p.closing.sides[e.Side].heard = e.Now
	}
	if a.ToClient != nil {
		p.say(Client, a.ToClient, a.AfterInput)
	}
	if a.ToBackend != nil {
		p.say(Backend, a.ToBackend, a.AfterInput)
	}
	for side, ping := range a.Pings {
		if ping != nil {
			p.sockets[side].sayControl(ping)
		}
	}
	if a.Message != nil {
		p.sockets[Client].sayMessage(a.Message)
	}
	if e.Kind == Started || e.Kind == Tick {
		p.next = a.Next
	}
}

// say says the last words to a side, perhaps behind what has been received for it.
func (p *Pair) say(to Side, words *Say, afterInput bool) {
	if from := to.other(); afterInput && !p.over[from] {
		p.closing.parting[to] = words
		p.flows[from].wake(orderParting)
		return
	}
	p.sockets[to].say(words)
}

// part says the last words that waited for what had been received.
func (p *Pair) part(to Side) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if words := p.closing.parting[to]; words != nil {
		p.closing.parting[to] = nil
		p.sockets[to].say(words)
		p.check()
	}
}

// ended is for a flow that is over.
func (p *Pair) ended(e Event) {
	p.mu.Lock()
	p.over[e.Side] = true
	p.decide(e)
	done := p.isDone()
	p.mu.Unlock()
	if done {
		p.close() // this goroutine has nothing else to do
	}
}

// writeFailed is for a write that a side did not take. A timeout is an end. After
// any other error the side may still be read, its own last words included.
func (p *Pair) writeFailed(side Side, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slow := isTimeout(err) || p.sockets[side].isStuck(err)
	switch {
	case p.done:
		return
	case p.closing != nil && slow:
		p.giveUp(side)
	case p.closing != nil:
	case slow:
		p.decide(Event{Kind: WriteTimeout, Side: side})
		if p.closing != nil {
			p.closing.sides[side].lost = true
		}
	default:
		if p.readBy == nil {
			p.readBy = new([2]time.Time)
		}
		p.readBy[side] = time.Now().Add(p.config.Close)
	}
	p.check()
}

// look runs check after a change outside of handle.
func (p *Pair) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.check()
}

// tick is the timer's.
func (p *Pair) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing != nil {
		p.closing.poll = min(2*p.closing.poll, slowPoll)
	} else if !p.next.IsZero() && !time.Now().Before(p.next) && !p.done {
		up, down := &p.flows[Client], &p.flows[Backend]
		busy := [2]bool{p.isBusy(Client), p.isBusy(Backend)} // before Carried, which grows before a side is free
		p.decide(Event{
			Kind:    Tick,
			Carried: up.messages.Load() + up.bytes.Load() + up.parts.Load() + down.messages.Load() + down.bytes.Load() + down.parts.Load(),
			Sent:    down.messages.Load() + down.bytes.Load(),
			Heard:   [2]int64{up.reads.Load(), down.reads.Load()},
			Busy:    busy,
		})
	}
	p.check()
}

// isBusy reports whether a side takes no more for now.
func (p *Pair) isBusy(side Side) bool {
	return p.flows[side.other()].held.Load() > 0 || p.sockets[side].isBusy()
}

// check looks at what is due, and has the Pair closed when it is over. The caller
// holds mu.
func (p *Pair) check() {
	if p.isDone() {
		go p.close()
	}
}

// isDone looks at what is due, and sets the timer for what will be. It returns true
// once: the Pair is to be closed then. The caller holds mu.
func (p *Pair) isDone() bool {
	if p.done {
		return false
	}
	now := time.Now()
	var next time.Time
	if p.closing == nil {
		next = together(p.checkOpen(now), now)
	} else {
		next, p.done = p.checkClosing(now)
	}
	switch {
	case p.done:
		if p.timer != nil {
			p.timer.Stop()
		}
	case next.IsZero():
	case p.timer == nil:
		p.timer = time.AfterFunc(next.Sub(now), p.tick)
	default:
		p.timer.Reset(next.Sub(now))
	}
	return p.done
}

// together puts a time that is far away off, by a tenth of a second at most, to when other
// Pairs have theirs: the process is woken for all at once, which for thousands that are idle
// is most of what their Pings cost.
func together(next, now time.Time) time.Time {
	const grid = time.Second / 10
	if next.Sub(now) < 5*time.Second {
		return next
	}
	return next.Add(grid - 1 - time.Duration(next.UnixNano()-1)%grid)
}

func (p *Pair) checkOpen(now time.Time) (next time.Time) {
	next = p.next
	if p.readBy == nil {
		return next
	}
	for side := range p.readBy {
		switch by := &p.readBy[side]; {
		case by.IsZero():
		case now.Before(*by):
			next = earliest(next, *by)
		default:
			*by = time.Time{}
			p.flows[side].wake(orderStop)
		}
	}
	return next
}

// earliest is the earlier of two times, of which the zero one does not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
