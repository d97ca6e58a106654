package translate

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ws76/ws76/legacy"
)

const (
	// bufferSize is what a pump reads into and writes from.
	bufferSize = 64 << 10
	// readSize is how much of a buffer is read into: what one read brings,
	// translated, fits another buffer, but for many small messages.
	readSize = bufferSize - 2*minRoom
	// maxRest is the largest unfinished message that is copied out of its
	// buffer while the pump waits for more.
	maxRest = 1 << 10
	// waitSize is what a pump holds while it waits for a connection that is
	// not a bare socket: TLS cannot say that it is readable.
	waitSize = 4 << 10
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A transducer turns the bytes of one side into those of the other. A pump
// without one passes the bytes as they are.
type transducer interface {
	transform(dst, src []byte, full bool) (nDst, nSrc int, err error)
	// between reports whether what was taken so far ends between messages.
	between() bool
	// unfinished reports whether what was given so far ends inside a message
	// that nothing may interrupt.
	unfinished() bool
	// counts is what has been given so far.
	counts() (messages, bytes int64)
}

// A pump carries one direction. Its state is here and not on a stack: step can
// be left where it would block, and entered again when there is more to read.
type pump struct {
	b        *bridge
	src, dst *peer
	tr       transducer
	enter    func(fd uintptr) bool // step, bound once

	// Owned by the goroutine of run.
	in   *[bufferSize]byte // nil while there is nothing to do
	n    int               // bytes in it
	rest []byte            // what in held when it was given back
	deaf bool              // dst is broken: what comes is read and dropped
	woke bool              // by the gateway's own end
	told bool              // dst has the goodbye of the gateway's own end

	// Written by the goroutine of run, read by anybody.
	messages, bytes, reads atomic.Int64
}

func (p *pump) init(b *bridge, src, dst *peer, tr transducer, rest []byte) {
	p.b, p.src, p.dst, p.tr, p.rest = b, src, dst, tr, rest
	p.enter = p.step
}

// run carries until the source ends. The bridge starts it once and waits for
// it; the end of the bridge, which sets a deadline on the source, ends it.
func (p *pump) run() {
	p.start()
	if p.src.raw == nil {
		p.runBuffered()
	} else {
		p.runRaw()
	}
	p.drop()
	p.farewell()
	p.b.leave()
}

// runRaw waits for a bare socket to be readable, and has step read it.
func (p *pump) runRaw() {
	err := p.src.raw.Read(p.enter)
	if p.wakes(err) {
		err = p.src.raw.Read(p.enter)
	}
	if err != nil {
		p.sourceEnded(err)
	}
}

// start carries what had been read before.
func (p *pump) start() {
	if len(p.rest) > 0 {
		p.load()
		p.move()
		p.unload()
	}
}

// step reads and carries until the source has no more; done is true when the
// source has ended.
func (p *pump) step(fd uintptr) (done bool) {
	for {
		p.load()
		b := p.in[p.n:readSize]
		n, err := readNow(fd, b)
		switch {
		case n > 0:
			p.b.trace("read", p.src, b[:n])
			p.n += n
			if p.reads.Add(1) == watchAfter {
				p.b.gw.watch.add(p.src)
			}
			p.move()
			switch left := p.src.remaining(); { // a source that never pauses never meets its deadline
			case left < 0:
				return true
			case left < p.b.limits.Close/2:
				p.farewell()
			}
			if n == len(b) || !p.src.hangup.willBeTold() {
				continue
			}
		case err == syscall.EINTR:
			continue
		case err != syscall.EAGAIN:
			p.sourceEnded(err)
			return true
		}
		p.unload()
		p.farewell()
		return false
	}
}

// runBuffered is step for a source that must be read to know whether there is
// something: the wait is in a small buffer, a large one follows when it filled.
func (p *pump) runBuffered() {
	wait := make([]byte, waitSize)
	for large := false; ; {
		b := wait
		if large || p.in != nil {
			p.load()
			b = p.in[p.n:readSize]
		}
		n, err := p.src.conn.Read(b)
		large = n >= waitSize
		if p.in == nil {
			p.load()
			copy(p.in[p.n:readSize], b[:n])
		}
		if n > 0 {
			p.b.trace("read", p.src, p.in[p.n:p.n+n])
			p.n += n
			p.reads.Add(1)
			p.move()
		}
		if p.wakes(err) {
			p.farewell()
		} else if err != nil {
			p.sourceEnded(notEOF(err))
			return
		}
		p.unload()
	}
}

// wakes reports whether a read was ended by the gateway's own end, which is
// once; then the source can be read again for the closing handshake.
func (p *pump) wakes(err error) bool {
	if p.woke || !p.b.endedByGateway() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	p.woke = true
	p.src.conn.SetReadDeadline(time.Now().Add(min(p.b.limits.Close, p.src.remaining())))
	return true
}

// farewell says the goodbye of the gateway's own end, behind what has been
// carried.
func (p *pump) farewell() {
	if p.told || !p.b.endedByGateway() {
		return
	}
	p.told = true
	if e := *p.b.closing.Load(); p.dst == &p.b.client {
		p.b.tellClient(e)
	} else {
		p.b.tellBackend(e)
	}
}

// load makes sure of a buffer that begins with what was left.
func (p *pump) load() {
	if p.in == nil {
		p.in = buffers.Get().(*[bufferSize]byte)
		p.n = copy(p.in[:], p.rest)
		p.rest = p.rest[:0]
	}
}

// unload gives the buffer back, unless a large unfinished message is in it.
func (p *pump) unload() {
	if p.in != nil && p.n <= maxRest {
		p.rest = append(p.rest[:0], p.in[:p.n]...)
		p.drop()
	}
}

func (p *pump) drop() {
	if p.in != nil {
		buffers.Put(p.in)
		p.in, p.n = nil, 0
	}
}

// move translates what the buffer holds and writes the result, once unless it
// is longer than a buffer. After the goodbye nothing is written any more, but
// the source's own is still seen.
func (p *pump) move() {
	if p.tr == nil {
		p.give(p.in[:p.n])
		p.n = 0
		return
	}
	out := buffers.Get().(*[bufferSize]byte)
	src := p.in[:p.n]
	for w := 0; ; {
		nDst, nSrc, err := p.tr.transform(out[w:], src, len(src) == readSize)
		w, src = w+nDst, src[nSrc:]
		if ping, ok := err.(pingError); ok {
			p.b.pong(ping)
			continue
		}
		p.give(out[:w])
		w = 0
		if err == nil {
			p.n = copy(p.in[:], src)
			break
		}
		if err != errShortDst {
			p.n = 0
			p.stopped(err)
			break
		}
	}
	buffers.Put(out)
}

// give writes b, unless the other side can take no more.
func (p *pump) give(b []byte) {
	if len(b) == 0 || p.deaf || p.told || p.b.ended() && !p.b.endedByGateway() && !p.b.tunnel {
		return
	}
	if err := p.dst.write(b, p.tr != nil && p.tr.unfinished()); err != nil {
		p.notTaken(err)
		return
	}
	p.b.trace("written", p.dst, b)
	if p.tr == nil {
		p.bytes.Add(int64(len(b)))
		return
	}
	messages, bytes := p.tr.counts()
	p.messages.Store(messages)
	p.bytes.Store(bytes)
}

// notTaken is after a write that failed. A side that takes nothing for the
// write timeout has ended the bridge. One that is broken has not: what it sent
// before may still be read, its Close frame included, and then its own pump
// ends the bridge.
func (p *pump) notTaken(err error) {
	if !p.b.slow(p.dst, err) {
		p.deaf = true
		p.dst.conn.SetReadDeadline(time.Now().Add(p.b.limits.Close))
	}
}

// stopped is after the transducer's last word: an end, or the answer to ours.
func (p *pump) stopped(err error) {
	p.b.end(endByError(err))
	var closed *closeError
	if errors.Is(err, errClientClose) || errors.As(err, &closed) {
		p.src.conn.SetReadDeadline(time.Now().Add(min(linger, p.b.limits.Close)))
	}
}

// sourceEnded is the end of TCP, a reset, or a deadline.
func (p *pump) sourceEnded(err error) {
	fromClient := p.src == &p.b.client
	switch {
	case p.b.tunnel && fromClient:
		p.b.end(endFor(ByClient, ClientEnded, err))
	case p.b.tunnel:
		p.b.end(endFor(ByBackend, BackendEnded, err))
	case !fromClient:
		p.b.end(endFor(ByBackend, BackendGone, err))
	case err != nil, p.n+len(p.rest) > 0, !p.tr.between():
		p.b.end(clientEnd(ClientCut, err))
	case p.b.dialect == legacy.Hixie76:
		p.b.end(clientEnd(ClientGone, nil))
	default:
		p.b.end(clientEnd(ClientClosed, nil))
	}
}

// notEOF is err, but nil for the regular end of TCP.
func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
