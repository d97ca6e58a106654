package relay

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// A socket is one side's connection and the only way to write to it. Who writes
// takes turns, and each turn ends between two frames; the exception is a message
// to a legacy client, which may stay open between turns.
type socket struct {
	p    *Pair
	conn net.Conn
	base *sockets.Conn // conn, or what is below it
	fd   uintptr       // of a bare socket; valid until the Pair is done; detach makes it another

	mu      sync.Mutex    // never held while somebody waits
	freed   chan struct{} // closed when stalled ends; nil if nobody waits for that
	control []byte        // Pongs and Pings that wait behind a stalled write
	bye     *Say          // the last words, said or waiting

	kept atomic.Bool // keepAlive has nothing to do

	side     Side // these bytes stand together, for the memory of an idle Pair
	bare     bool // conn is a socket, without TLS
	detached bool // conn is not in Go's poller
	stalled  bool // somebody is finishing a write that did not fit
	open     bool // a message is begun and not ended
	broken   bool // a write failed: what followed would be taken for its rest
	said     bool // the last words are out: nothing may follow
	finDue   bool // but for their end of TCP, which waits until all is taken
	ended    bool // our half of TCP
	told     bool // the last words, whole
}

// maxControl is how many bytes of control frames wait where it is not known
// whether a write stalls; where it is, the newest frame alone waits.
const maxControl = 512

// errSaid is for bytes that come after the last words.
var errSaid = errors.New("relay: the last words are said")

func (s *socket) init(p *Pair, side Side, conn net.Conn) {
	s.p, s.side, s.conn = p, side, sockets.New(conn, p.config.Write)
	s.base = baseOf(s.conn)
	s.kept.Store(side == Client || !s.base.IsTCP())
	if s.base == s.conn && s.base.IsSocket() { // one that is closed has no descriptor any more
		s.bare = s.base.Raw().Control(func(fd uintptr) { s.fd = fd }) == nil
	}
}

// baseOf is the Conn that conn is or leads to.
func baseOf(conn net.Conn) *sockets.Conn {
	for {
		if c, ok := conn.(*sockets.Conn); ok {
			return c
		}
		conn = conn.(interface{ NetConn() net.Conn }).NetConn()
	}
}

// keepAlive sets the keep-alive of the backend's socket, once. The client's comes from the
// listener. It is for connections that last: those that are over in a second save the
// system calls.
func (s *socket) keepAlive() {
	if s.kept.CompareAndSwap(false, true) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.base.SetKeepAlive()
	}
}

// isStuck is base's, which must not be detached or attached meanwhile.
func (s *socket) isStuck(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base.IsStuck(err)
}

// sendQueue is base's. A bare socket needs no lock: it is asked while the Pair ends, when
// the socket is neither closed nor detached.
func (s *socket) sendQueue() int {
	if s.bare && s.base.IsTCP() {
		return sockets.QueueNow(s.fd)
	}
	return s.base.SendQueue()
}

// received is how many bytes have come that nobody has read, 0 where that cannot be known.
func (s *socket) received() int {
	if s.bare {
		return sockets.ReceivedNow(s.fd)
	}
	return s.base.Ask(sockets.ReceivedNow)
}

// send writes what the socket takes at once and returns the rest, which the
// caller must then give to finish. The turn is the caller's until then if claimed
// is true; open says whether b ends inside a message.
func (s *socket) send(b []byte, open bool) (rest []byte, claimed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.bye != nil:
		return nil, false, errSaid
	case s.broken:
		return nil, false, net.ErrClosed
	case s.stalled:
		return b, false, nil
	}
	n, err := s.try(b)
	if err == nil && n == len(b) {
		s.open = open
	}
	return b[n:], s.stalled, err
}

// try writes what the socket takes at once. If that is not all of b, the socket is
// stalled and the caller must have it finished. The caller holds mu.
func (s *socket) try(b []byte) (n int, err error) {
	if s.bare {
		n, err = sockets.SendNow(s.fd, b)
		s.wrote(b[:n])
	}
	s.broken = s.broken || err != nil
	s.stalled = err == nil && n < len(b)
	return n, err
}

// wrote shows the tap what the socket has taken. The caller has the turn, so that the
// tap sees all bytes in the order of the wire, Pongs and last words included.
func (s *socket) wrote(b []byte) {
	if s.p.tap != nil && len(b) > 0 {
		s.p.tap(s.side, true, b)
	}
}

// finish writes what send returned, as the other side makes room for it.
func (s *socket) finish(b []byte, open, claimed bool) (n int, err error) {
	if !claimed {
		if err := s.claim(); err != nil {
			return 0, err
		}
	}
	if s.bare && claimed { // the socket has just said that it takes no more
		n, err = s.base.Wait(b)
	} else {
		n, err = s.conn.Write(b)
	}
	s.wrote(b[:n])
	s.release(open, err)
	return n, err
}

// claim waits for the turn.
func (s *socket) claim() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.stalled {
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		freed := s.freed
		s.mu.Unlock()
		<-freed
		s.mu.Lock()
	}
	switch {
	case s.said:
		return errSaid
	case s.broken:
		return net.ErrClosed
	}
	s.stalled = true
	return nil
}

// release gives the turn back, and says what has waited for it.
func (s *socket) release(open bool, err error) {
	s.mu.Lock()
	s.open, s.broken = open, s.broken || err != nil
	s.free()
	s.mu.Unlock()
}

// free ends a turn. The caller holds mu and had the turn.
func (s *socket) free() {
	s.stalled = false
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
	s.sayWaiting()
}

// sayControl sends a control frame now, or behind a write that stalls. It does not
// wait: the side may be waiting for the flow that got its Ping.
func (s *socket) sayControl(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bare || len(s.control)+len(frame) > maxControl {
		s.control = nil
	}
	s.control = append(s.control, frame...)
	if !s.stalled {
		s.sayWaiting()
	}
}

// sayMessage sends a whole message, unless it would go inside another one or wait for
// one.
func (s *socket) sayMessage(message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stalled && !s.open {
		s.control = message
		s.sayWaiting()
	}
}

// say says the last words now, or behind a write that stalls.
func (s *socket) say(words *Say) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bye != nil {
		return
	}
	s.bye = words
	if !s.stalled {
		s.sayWaiting()
	}
}

// sayWaiting says what waits. The caller holds mu; nobody writes.
func (s *socket) sayWaiting() {
	b, last := s.control, s.bye != nil && !s.said
	s.control = nil
	if s.broken || s.said {
		b = nil
	} else if last && !s.open {
		b = append(b, s.bye.Bytes...)
	}
	if last {
		s.said, s.told = true, !s.broken && (!s.open || len(s.bye.Bytes) == 0)
	}
	n, _ := s.try(b)
	switch {
	case s.stalled || last && s.bye.Fin && !s.bare:
		s.stalled = true
		s.attach()
		go s.sayRest(b[n:], last)
	case last && s.bye.Fin:
		s.base.CloseWrite()
		s.ended = true
	}
}

// sayRest finishes what sayWaiting began.
func (s *socket) sayRest(b []byte, last bool) {
	var err error
	if len(b) > 0 {
		var n int
		n, err = s.conn.Write(b)
		s.wrote(b[:n])
		if err != nil {
			s.p.writeFailed(s.side, err)
		}
	}
	if last && s.bye.Fin {
		s.endHalf(err != nil)
	}
	s.release(s.open, err)
	s.p.look()
	s.p.detach() // which passed a stalled socket over
}

// endHalf ends our half of TCP. TLS gives its last record five seconds, so it
// waits until the other side has taken what was before.
func (s *socket) endHalf(broken bool) {
	if !s.bare && !broken && s.base.SendQueue() > 0 {
		s.mu.Lock()
		s.finDue = true
		s.mu.Unlock()
		return
	}
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && !broken {
		half.CloseWrite()
	}
	s.mu.Lock()
	s.finDue, s.ended = false, true
	s.mu.Unlock()
}

// isOut reports whether the last words are out, as far as they ever will be: of a
// connection that was reset nothing leaves the queue any more.
func (s *socket) isOut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said && !s.stalled && (!s.finDue || s.base.IsClosed())
}

// isBusy reports whether somebody is finishing a write.
func (s *socket) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stalled
}

// queue is how many bytes of messages and last words the other side has not
// acknowledged.
func (s *socket) queue() int {
	n := s.sendQueue()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended && n > 0 {
		n--
	}
	return n
}

// lost is the part of a queue that is messages.
func (s *socket) lost(queue int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said && !s.open {
		queue -= len(s.bye.Bytes)
	}
	return max(0, queue)
}

// finishEnd ends our half of TCP if that is due and everything before is taken, and
// reports whether it does.
func (s *socket) finishEnd(queue int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.finDue && queue == 0
	if due {
		s.finDue, s.stalled = false, true
		go s.sayRest(nil, true)
	}
	return due
}

// cut ends every write, now and from now on.
func (s *socket) cut() {
	s.base.SetWriteDeadline(past)
	s.mu.Lock()
	s.finDue = false
	s.mu.Unlock()
}

// close closes the socket, when nobody reads. TLS would wait for its last record
// to be taken, so with hard it is not asked.
func (s *socket) close(hard bool) {
	s.mu.Lock()
	s.said = true
	if s.bye == nil {
		s.bye = &Say{}
	}
	hard = hard || s.broken
	s.mu.Unlock()
	if hard {
		s.base.Close()
		return
	}
	s.conn.Close()
}
