package relay

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
)

const (
	// quietFor is how long a large unfinished message waits for more bytes before
	// what there is of it leaves as a fragment.
	quietFor = time.Second
	// lastCall is how long, at the gateway's own end, a side is read for more of
	// what it had sent before, and maxParting how much of it at most: about what the
	// kernels of both machines hold.
	lastCall   = 10 * time.Millisecond
	maxParting = 4 << 20
	// pressedCall is lastCall where the flow had to wait for the other side: the
	// kernels may take 200 ms to see that a window has opened.
	pressedCall = 300 * time.Millisecond
	// budget is how much a flow that never waits carries before it yields, and a loop before
	// it lets others run, in bytes, and as if each message and each event had so many more.
	budget     = 512 << 10
	perMessage = 1 << 10
	perEvent   = 16 << 10
	// A read of messages shorter than short, on an average, is more than the budget by
	// itself: one that finds such is followed by reads of shortRead at most.
	short     = 32
	shortRead = 16 << 10
)

// steadyReads is after how many reads a flow that never waited is parked.
const steadyReads = 16

// past is a deadline that ends a wait.
var past = time.Unix(1, 0)

// Orders are what a flow is told by others. It looks when it is woken.
const (
	orderParting uint32 = 1 << iota // carry what has been received, then say the last words
	orderStop                       // the side is given up
	orderPark                       // the source has sent nothing for a while
)

// A flow carries one direction. It has one owner at a time, which reads, transforms and
// writes. Its state is here and not on a stack, so that it can be left where it would wait.
type flow struct {
	p        *Pair
	src, dst *socket
	codec    Codec
	meter    Meter // where codec is nil; may be nil too

	owner  atomic.Uint32
	orders atomic.Uint32

	// The owner's.
	slot     uint32 // at the Pair's loop, while the flow is parked
	alone    bool   // the source cannot be polled
	idle     bool   // it is to be parked
	dense    bool   // the last read found short messages
	claimed  bool   // the turn at dst is ours
	deaf     bool   // dst takes no more: what comes is read and dropped
	reported bool   // the Protocol has heard of err
	stop     bool
	large    bool            // the last read of a connection that is no bare socket filled the small buffer
	in       *[readSize]byte // nil while there is nothing to do
	hogs     bool            // it is one of hogs
	spent    int             // of the budget
	weighed  int64           // messages that were counted against the budget
	from, n  int             // in[from:n] is to be transformed
	rest     []byte          // what in held when it was given back
	out      *[writeSize]byte
	pending  []byte   // what dst has not taken yet; the flow does not read before it has
	err      error    // the codec's last word
	readErr  error    // how reading ended; io.EOF is the regular end
	quiet    *waiting // for more of a large message; nil = never yet
	parting  *parting // nil but at the gateway's own end

	held   atomic.Int64 // bytes that wait for dst while it stalls
	unsent atomic.Int64 // bytes that dst never took

	// Written by the owner, read by anybody.
	messages, bytes, reads, parts atomic.Int64
	waits                         atomic.Int64 // for dst, or for more of a large message
}

// waiting is the wait for more of a message that keeps its whole buffer.
type waiting struct {
	until time.Time // the read deadline; zero = none
	last  time.Time // when something came
}

// parting is the time between the gateway's own end and its last words, which come
// behind what is on its way.
type parting struct {
	left    int       // bytes at most
	pressed bool      // the flow had to wait for dst
	until   time.Time // when nothing more has come
}

func (f *flow) init(p *Pair, src, dst *socket, codec Codec, rest []byte) {
	f.p, f.src, f.dst, f.codec, f.rest = p, src, dst, codec, rest
	f.alone = !src.bare || p.loop == nil
}

// What a turn finds.
type found uint8

const (
	nothing found = iota
	some          // and there may be an end of TCP, or data behind urgent data
	full          // and there may be more
	trouble       // there is something to do that may wait: attend does it
)

// turn reads and carries what a bare socket has, once, and never waits.
func (f *flow) turn(fd uintptr) found {
	if f.orders.Load() != 0 {
		return trouble
	}
	f.acquire()
	b := f.room()
	n, err := sockets.ReadNow(fd, b)
	what := nothing
	switch {
	case n > 0:
		f.received(n)
		moved := f.move()
		f.weigh(n)
		if !moved || f.ended() || f.partingIsOver() {
			return trouble
		}
		what = some
		if n == len(b) {
			what = full
		}
	case err == syscall.EINTR:
		what = full
	case err != syscall.EAGAIN:
		f.readErr = err
		if err == nil {
			f.readErr = io.EOF
		}
		return trouble
	}
	f.release()
	return what
}

// hogs are the flows that have carried a budget since they last waited.
var hogs atomic.Int32

// yield lets others run, if the flow has carried enough and no processor is free for them.
func (f *flow) yield() {
	if f.spent < budget {
		return
	}
	f.spent = 0
	if !f.hogs {
		f.hogs = true
		hogs.Add(1)
	}
	letOthersRun()
}

// letOthersRun lets others run if hogs may have every processor, and reports whether it did.
func letOthersRun() bool {
	areMany := int(hogs.Load()) >= runtime.GOMAXPROCS(0)
	if areMany {
		runtime.Gosched()
	}
	return areMany
}

// rests notes that the flow waits, or is over.
func (f *flow) rests() {
	f.spent = 0
	if f.hogs {
		f.hogs = false
		hogs.Add(-1)
	}
}

// room is where the next read goes.
func (f *flow) room() []byte {
	b := f.in[f.n:]
	if f.dense {
		b = b[:min(len(b), shortRead)]
	}
	return b
}

// weigh counts n bytes that were carried, and the messages in them, against the budget.
func (f *flow) weigh(n int) {
	messages := int(f.given() - f.weighed)
	f.weighed += int64(messages)
	f.spent += n + perMessage*messages
	f.dense = short*messages > n
}

// given is how many messages the flow has for dst, or had.
func (f *flow) given() (messages int64) {
	switch {
	case f.codec != nil:
		messages, _ = f.codec.Counts()
	case f.meter != nil:
		messages = f.meter.Messages()
	}
	return messages
}

// received notes that the next n bytes of in have come.
func (f *flow) received(n int) {
	if f.p.tap != nil {
		f.p.tap(f.src.side, false, f.in[f.n:f.n+n])
	}
	f.n += n
	if f.parting != nil {
		f.parting.left -= n
	}
	if f.quiet != nil && !f.quiet.until.IsZero() {
		f.quiet.last = time.Now()
	}
	f.reads.Add(1)
}

// move transforms what in holds and writes the result, once unless it is longer
// than a buffer. It returns false if dst takes no more for now.
func (f *flow) move() bool {
	if f.codec == nil || f.err != nil {
		b := f.in[f.from:f.n]
		f.from, f.n = 0, 0
		return f.err != nil || f.pass(b)
	}
	f.out = outputs.Get().(*[writeSize]byte)
	for more := true; more; {
		src := f.in[f.from:f.n]
		nDst, nSrc, err := f.codec.Transform(f.out[:], src, len(src) == readSize || f.deaf)
		f.from += nSrc
		more = err == io.ErrShortBuffer || err != nil && f.answer(err)
		if err != nil && !more {
			f.err, f.from = err, f.n
		}
		if !f.give(f.out[:nDst]) {
			return false
		}
	}
	f.n = copy(f.in[:], f.in[f.from:f.n])
	f.from = 0
	f.dropOut()
	if f.n > 0 || !f.codec.AtBoundary() {
		f.parts.Add(1)
	}
	return true
}

// answer answers a question of the source's. It returns false if err is none.
func (f *flow) answer(err error) bool {
	frame, ok := f.p.protocol.Answer(err)
	if ok {
		f.src.sayControl(frame)
	}
	return ok
}

// pass gives bytes as they are.
func (f *flow) pass(b []byte) bool {
	if f.meter != nil {
		f.meter.Pass(b) // before the other side can answer them
	}
	return f.give(b)
}

// give writes b, unless dst can take no more at all. It returns false if dst takes
// no more for now.
func (f *flow) give(b []byte) bool {
	if len(b) == 0 || f.deaf {
		return true
	}
	rest, claimed, err := f.dst.send(b, f.midMessage())
	if err != nil {
		if err != errSaid {
			f.unsent.Add(int64(len(b) + f.n - f.from))
		}
		f.notTaken(err)
		return true
	}
	if len(rest) > 0 {
		f.pending, f.claimed = rest, claimed
		return false
	}
	f.sent(b)
	return true
}

func (f *flow) midMessage() bool { return f.codec != nil && f.codec.MidMessage() }

func (f *flow) sent(b []byte) {
	if f.codec == nil {
		f.bytes.Add(int64(len(b)))
		if f.meter != nil {
			f.messages.Store(f.meter.Messages())
		}
		return
	}
	messages, bytes := f.codec.Counts()
	f.messages.Store(messages)
	f.bytes.Store(bytes)
}

// notTaken is for a write that failed, or that came after the last words. What
// dst sent before may still be read, a Close frame included.
func (f *flow) notTaken(err error) {
	f.deaf = true
	if err != errSaid {
		f.p.writeFailed(f.dst.side, err)
	}
}

// settle waits until dst has taken what is pending, and what follows it.
func (f *flow) settle() {
	for len(f.pending) > 0 {
		b := f.pending
		left := f.shrink()
		f.held.Store(int64(len(b) + left))
		n, err := f.dst.finish(b, f.midMessage(), f.claimed)
		f.pending, f.claimed = nil, false
		if err == nil {
			f.sent(b)
		}
		f.held.Store(0) // behind what was sent, and before the Pair looks at it
		if err != nil {
			f.unsent.Add(int64(len(b) - n + left))
			f.notTaken(err)
		}
		if left > 0 && f.in == nil {
			f.acquire()
			f.rest = nil // it was part of out
		}
		f.dropOut()
		if left > 0 {
			f.move()
		}
	}
}

// shrink gives the input's buffer back while the flow stalls: what is left of the
// input fits behind what is pending in the output's. It returns how much is left.
func (f *flow) shrink() (left int) {
	left = f.n - f.from
	if f.codec == nil || f.in == nil {
		return left
	}
	if left > 0 {
		f.rest = append(f.pending[len(f.pending):], f.in[f.from:f.n]...)
	}
	f.dropIn()
	return left
}

// attend does what may wait, between two waits for the source.
func (f *flow) attend() {
	stalled := false
	if len(f.pending) > 0 {
		f.waits.Add(1)
		began := time.Now()
		f.settle()
		stalled = time.Since(began) > sockets.AtOnce
	}
	if stalled {
		f.rests()
	}
	if f.err != nil && !f.reported {
		f.reported = true
		f.p.handle(Event{Kind: CodecDone, Side: f.src.side, Err: f.err})
	}
	f.obey(stalled)
	if f.partingIsOver() {
		f.part()
	}
	if f.parting != nil {
		wait := lastCall
		if f.parting.pressed = f.parting.pressed || stalled; f.parting.pressed {
			wait = pressedCall
		}
		f.parting.until = time.Now().Add(wait)
		f.src.conn.SetReadDeadline(f.parting.until)
	}
}

func (f *flow) partingIsOver() bool { return f.parting != nil && f.parting.left <= 0 }

// isSteady reports whether the flow should be parked at once: it has read so often that its
// connection is not a short one, and has waited for nothing but its source. One that has is
// left to the sweep, because to attach its sockets and detach them again costs a few messages.
func (f *flow) isSteady() bool {
	return f.reads.Load() >= steadyReads && f.waits.Load() == 0 && f.canPark()
}

// obey looks at the orders. A bare socket that has nothing, and did not have to wait,
// has nothing on its way.
func (f *flow) obey(stalled bool) {
	orders := f.orders.Swap(0)
	if orders&orderParting != 0 {
		f.parting = &parting{left: maxParting}
		if f.src.bare && !stalled && f.src.received() == 0 {
			f.parting.left = 0
		}
	}
	f.stop = f.stop || orders&orderStop != 0
	f.idle = f.idle || orders&orderPark != 0
}

// part says the last words of the gateway's own end, behind what had come.
func (f *flow) part() {
	if f.parting != nil {
		f.parting = nil
		f.p.part(f.dst.side)
	}
}

// ended reports whether the flow has something to tell, or is over.
func (f *flow) ended() bool {
	return f.err != nil && !f.reported || f.readErr != nil || f.stop
}

// timedOut is for a read deadline that has come: somebody woke the flow, or a
// large message has stopped coming, or, where that had to be found out, nothing
// more has been received.
func (f *flow) timedOut() {
	now := time.Now()
	f.src.conn.SetReadDeadline(time.Time{})
	wasQuiet := false
	if f.quiet != nil {
		wasQuiet = !f.quiet.until.IsZero() && now.Sub(f.quiet.last) >= quietFor
		f.quiet.until = time.Time{}
	}
	switch {
	case f.parting != nil && !now.Before(f.parting.until):
		if f.src.received() == 0 { // on a busy machine the time is up before anybody could read
			f.parting.left = 0
		}
	case wasQuiet:
		f.flush()
	}
	f.arm()
}

// arm has the flow woken when a message that keeps its whole buffer has stopped
// coming. It returns true if somebody else has woken the flow.
func (f *flow) arm() bool {
	if f.in == nil {
		return false
	}
	f.waits.Add(1)
	if f.quiet == nil {
		f.quiet = new(waiting)
	}
	f.quiet.last = time.Now()
	if f.quiet.until.IsZero() {
		f.quiet.until = f.quiet.last.Add(quietFor)
		f.src.conn.SetReadDeadline(f.quiet.until)
	}
	return f.orders.Load() != 0
}

// flush gives what there is of an unfinished message.
func (f *flow) flush() {
	if f.in == nil || f.codec == nil {
		return
	}
	f.out = outputs.Get().(*[writeSize]byte)
	nDst, nSrc, _ := f.codec.Transform(f.out[:], f.in[:f.n], true)
	f.n = copy(f.in[:], f.in[nSrc:f.n])
	if f.give(f.out[:nDst]) {
		f.dropOut()
	}
	f.settle()
	f.release()
}

// end reports how reading ended. The flow is over then.
func (f *flow) end() {
	f.rests()
	if f.stop && f.readErr == nil {
		f.readErr = os.ErrDeadlineExceeded
	}
	err := f.readErr
	if err == io.EOF {
		err = nil
	}
	cut := err != nil || f.n+len(f.rest) > 0 || f.codec != nil && !f.codec.AtBoundary()
	f.dropIn()
	f.rest = nil
	f.part()
	if f.p.loop != nil {
		f.p.loop.sleeps(f)
	}
	if f.src.isStuck(err) {
		f.p.writeFailed(f.src.side, err)
	}
	f.p.ended(Event{Kind: ReadEnded, Side: f.src.side, Err: err, Cut: cut})
}

// acquire makes sure of a buffer that begins with what was left.
func (f *flow) acquire() {
	if f.in == nil {
		f.in = inputs.Get().(*[readSize]byte)
		f.n = copy(f.in[:], f.rest)
		f.rest = f.rest[:0]
	}
}

// release gives the buffer back, unless a large unfinished message is in it.
func (f *flow) release() {
	if f.in == nil || f.n > maxRest {
		return
	}
	if f.n == 0 && cap(f.rest) > keptRest {
		f.rest = nil
	}
	f.rest = append(f.rest[:0], f.in[:f.n]...)
	f.dropIn()
}

func (f *flow) dropIn() {
	if f.in != nil {
		inputs.Put(f.in)
		f.in, f.from, f.n = nil, 0, 0
	}
}

func (f *flow) dropOut() {
	if f.out != nil {
		outputs.Put(f.out)
		f.out = nil
	}
}

// isTimeout reports whether a read deadline has come.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
