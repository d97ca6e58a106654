package translate

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// linger is how long a side that has said its goodbye, and heard the other's,
// waits for the end of TCP before it closes.
const linger = time.Second

// A bridge joins a client and a backend whose opening handshakes are complete.
type bridge struct {
	gw      *Gateway
	dialect legacy.Dialect
	remote  string       // the client's address
	counted netip.Prefix // the client, as limits count
	path    string
	since   time.Time
	limits  *Timeouts

	suspicion suspicion

	client, backend peer
	up, down        pump
	tunnel          bool // the frames are the client's and the backend's own
	traced          bool // the log shows the bytes

	closing     atomic.Pointer[End]
	parties     atomic.Int32 // pumps and goodbyes that are not over
	pendingPong atomic.Pointer[[]byte]

	timer *time.Timer

	// Owned by tick.
	pinged      bool      // a Ping is out
	lastPing    time.Time // when it went out, or would have
	heard       int64     // reads from the backend then
	carried     int64     // messages and bytes both ways
	lastCarried time.Time // when carried was last seen to change
}

// newBridge joins the two connections; the rests are bytes already read from
// them, the transducers nil for bytes that pass as they are.
func newBridge(gw *Gateway, o opening, client net.Conn, clientRest []byte, backend *modern.Backend) *bridge {
	b := &bridge{gw: gw, dialect: o.dialect(), since: time.Now(), limits: &gw.options.Timeouts}
	b.tunnel, b.traced = !b.dialect.Legacy(), gw.logger.IsTrace()
	b.client.init(client, b.limits.Write)
	b.backend.init(backend.Conn, b.limits.Write)
	up, down := o.transducers(&gw.options)
	b.up.init(b, &b.client, &b.backend, up, clientRest)
	b.down.init(b, &b.backend, &b.client, down, backend.Rest)
	b.parties.Store(4)
	b.lastCarried, b.lastPing = b.since, b.since
	return b
}

// start begins to carry, each direction in a goroutine of its own. The last of
// the four parties to leave closes both sockets.
func (b *bridge) start() {
	if period := b.tickPeriod(); period > 0 {
		b.timer = time.AfterFunc(math.MaxInt64, b.tick)
		b.timer.Reset(period)
	}
	go b.up.run()
	go b.down.run()
}

func (b *bridge) ended() bool { return b.closing.Load() != nil }

func (b *bridge) endedByGateway() bool {
	e := b.closing.Load()
	return e != nil && e.By == ByGateway
}

// end ends the bridge, once: both sides hear it in their own words, and from
// now on everything that waits is over within the close timeout.
func (b *bridge) end(e End) {
	if !b.closing.CompareAndSwap(nil, &e) {
		return
	}
	limit := time.Now().Add(b.limits.Close)
	b.client.hurry(limit)
	b.backend.hurry(limit)
	if e.By == ByGateway { // nobody asked for it: each pump says goodbye when it has carried what had come
		b.client.wake()
		b.backend.wake()
		return
	}
	go b.tellClient(e)
	if e.gone {
		b.tellBackend(e) // by the client's own pump, which is over
	} else {
		go b.tellBackend(e)
	}
}

// tellClient says FF 00 to a -76 client at an orderly end, and ends TCP.
func (b *bridge) tellClient(e End) {
	defer b.leave()
	switch {
	case e.gone:
	case b.tunnel && e.By == ByClient:
		// What the backend still has to say is the client's.
	case e.clean && b.dialect == legacy.Hixie76:
		b.client.goodbye(legacy.AppendClose(nil), true)
	default:
		b.client.goodbye(nil, true)
	}
}

// tellBackend sends a Close frame. Closing TCP is the backend's to begin
// (RFC 6455 section 7.1.1), but in a tunnel, whose frames are not ours.
func (b *bridge) tellBackend(e End) {
	defer b.leave()
	switch {
	case b.tunnel && e.By == ByBackend:
		// What the client still has to say is the backend's.
	case b.tunnel:
		b.backend.goodbye(nil, true)
	case e.code != 0:
		b.backend.goodbye(modern.AppendClose(nil, e.code, modern.NewKey()), false)
	default:
		b.backend.goodbye(nil, false)
	}
}

// leave is called by each of the four parties when it is over.
func (b *bridge) leave() {
	if b.parties.Add(-1) > 0 {
		return
	}
	if b.timer != nil {
		b.timer.Stop()
	}
	for _, p := range []*peer{&b.client, &b.backend} {
		b.gw.watch.remove(p)
		p.close()
	}
	b.gw.closed(b)
}

// cut closes both sockets at once.
func (b *bridge) cut() {
	now := time.Now()
	b.client.hurry(now)
	b.backend.hurry(now)
}

// pong answers the newest Ping. It must not wait for the backend to read: the
// backend may be waiting for the pump that got the Ping.
func (b *bridge) pong(payload []byte) {
	frame := modern.AppendFrame(nil, true, modern.Pong, payload, modern.NewKey())
	if b.pendingPong.Swap(&frame) == nil {
		go b.sendPong()
	}
}

// sendPong is started for the first of a row of Pings and takes the newest once
// it is its turn to write; so there is at most one that waits.
func (b *bridge) sendPong() {
	p := &b.backend
	p.mu.Lock()
	var err error
	if frame := b.pendingPong.Swap(nil); frame != nil {
		err = p.send(*frame)
	}
	p.mu.Unlock()
	b.slow(p, err)
}

// slow ends the bridge if the error is of a write that a side did not take in
// time.
func (b *bridge) slow(p *peer, err error) bool {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return false
	case p == &b.client:
		b.end(endFor(ByClient, ClientSlow, nil))
	default:
		b.end(endFor(ByBackend, BackendSlow, nil))
	}
	return true
}

func (b *bridge) tickPeriod() time.Duration {
	ping, idle := b.limits.Ping, b.limits.Idle
	switch {
	case ping == 0 || idle > 0 && idle < ping:
		return idle
	}
	return ping
}

// tick sends a Ping to the backend and looks whether the last one was heard,
// and whether messages still pass. A backend whose bytes are not read, because
// the client takes none, is not to blame for its silence.
func (b *bridge) tick() {
	if b.ended() {
		return
	}
	if carried := b.up.bytes.Load() + b.up.messages.Load() + b.down.bytes.Load() + b.down.messages.Load(); carried != b.carried {
		b.carried, b.lastCarried = carried, time.Now()
	}
	heard := b.down.reads.Load()
	pingDue := b.limits.Ping > 0 && !b.tunnel && time.Since(b.lastPing) >= b.limits.Ping
	switch {
	case b.limits.Idle > 0 && time.Since(b.lastCarried) >= b.limits.Idle:
		b.end(endFor(ByGateway, Idle, nil))
	case pingDue && b.pinged && heard == b.heard && !b.client.busy():
		b.end(endFor(ByBackend, BackendSilent, nil))
	default:
		if pingDue {
			b.heard, b.lastPing, b.pinged = heard, time.Now(), b.ping()
		}
		b.timer.Reset(b.tickPeriod())
	}
}

// ping sends a Ping unless the backend is behind with reading anyway.
func (b *bridge) ping() bool {
	if b.backend.busy() {
		return false
	}
	frame := modern.AppendFrame(nil, true, modern.Ping, nil, modern.NewKey())
	err := b.backend.write(frame, false)
	b.slow(&b.backend, err)
	return err == nil
}
