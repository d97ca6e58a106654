// Package session decides what happens when on a connection whose opening handshakes are
// complete: Pings, idle times, and every end with what it says to both sides.
package session

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/codec"
	"github.com/ws76/ws76/translate/internal/relay"
)

// A Session decides what happens when on one connection: who is told what, and
// when a side has been silent or idle for too long. It is pure: events in, actions
// out, and the clock comes with the events.
type Session struct {
	Dialect  legacy.Dialect // the client's
	Backend  legacy.Dialect
	Limits   *Limits
	Up, Down relay.Codec
	Summary  codec.Summary

	end atomic.Pointer[End] // nil until it has begun

	deaf        bool      // the backend has not answered a Ping, nor ever before
	pinged      bool      // a Ping is out
	lastPing    time.Time // when it went out, or would have
	heard       int64     // from the pinged side then
	carried     int64     // both ways
	lastCarried time.Time // when carried was last seen to change
	sent        int64     // to the client
	lastSent    time.Time // when sent was last seen to change
}

// Limits bound how long a connection may be without something.
type Limits struct {
	Ping  time.Duration // between two Pings to the side of RFC 6455; 0 = none
	Idle  time.Duration // without a message in either direction; 0 = for ever
	Nudge []byte        // what a client of -76 or -75 gets when it has got nothing for Ping; nil = nothing
}

// End returns how the connection has ended; nil while it has not.
func (s *Session) End() *End { return s.end.Load() }

// Deaf reports whether the backend has not answered a Ping, nor ever before.
func (s *Session) Deaf() bool { return s.deaf }

// Codecs are those for what the client sends, and for what the backend does.
func (s *Session) Codecs() (up, down relay.Codec) { return s.Up, s.Down }

// Meters count the messages that pass as they are from a client of version 7, 8 or 13 to a
// backend of RFC 6455, and back.
func (s *Session) Meters() (up, down relay.Meter) {
	if s.Dialect.Legacy() || s.Backend.Legacy() {
		return nil, nil
	}
	if s.Up == nil {
		up = codec.NewWalk(false, &s.Summary)
	}
	return up, codec.NewWalk(true, &s.Summary)
}

// dialectOf returns what a side speaks.
func (s *Session) dialectOf(side relay.Side) legacy.Dialect {
	if side == relay.Client {
		return s.Dialect
	}
	return s.Backend
}

// By returns the name of a side.
func By(side relay.Side) Side {
	if side == relay.Client {
		return ByClient
	}
	return ByBackend
}

// control returns a control frame for the modern side: masked for a backend.
func (s *Session) control(op modern.Opcode, payload []byte) []byte {
	if s.Dialect.Legacy() {
		return modern.AppendFrame(nil, true, op, payload, modern.NewKey())
	}
	return modern.AppendServerFrame(nil, true, op, payload)
}

// Answer returns the Pong for a Ping.
func (s *Session) Answer(err error) (frame []byte, goesOn bool) {
	ping, ok := err.(codec.Ping)
	if !ok {
		return nil, false
	}
	return s.control(modern.Pong, ping), true
}

// Handle decides.
func (s *Session) Handle(e relay.Event) relay.Action {
	switch e.Kind {
	case relay.Started:
		s.lastPing, s.lastCarried, s.lastSent = e.Now, e.Now, e.Now
		return relay.Action{Next: s.nextTick(e.Now)}
	case relay.Tick:
		return s.tick(e)
	case relay.CodecDone:
		return s.codecDone(e.Side, e.Err)
	case relay.ReadEnded:
		return s.readEnded(e)
	case relay.WriteTimeout:
		return s.slow(e.Side)
	}
	return s.finish(endFor(ByGateway, admission.ShuttingDown, nil))
}

// tunnel reports whether the frames are the client's and the backend's own.
func (s *Session) tunnel() bool {
	return s.Dialect == s.Backend || !s.Dialect.Legacy() && !s.Backend.Legacy()
}

// finish begins the end, once. At the gateway's own end nobody asked for it, so
// the goodbyes come behind what has arrived.
func (s *Session) finish(e End) relay.Action {
	if !s.end.CompareAndSwap(nil, &e) {
		return relay.Action{}
	}
	return relay.Action{End: true, ToClient: s.lastWords(relay.Client, e), ToBackend: s.lastWords(relay.Backend, e), AfterInput: e.By == ByGateway}
}

// lastWords returns the goodbye to a side; nil if what the other side still sends
// is for it.
func (s *Session) lastWords(to relay.Side, e End) *relay.Say {
	d := s.dialectOf(to)
	switch {
	case e.gone && By(to) == e.By:
		return &relay.Say{}
	case By(to) == e.half:
		return nil
	case s.tunnel():
		return &relay.Say{Fin: true}
	case d == legacy.Hixie76 && e.clean:
		return &relay.Say{Bytes: legacy.AppendClose(nil), Fin: true}
	case d.Legacy():
		return &relay.Say{Fin: true}
	}
	say := &relay.Say{Fin: to == relay.Client} // closing TCP is the server's to begin (RFC 6455 section 7.1.1)
	if e.code != 0 {
		say.Bytes = s.control(modern.Close, modern.ClosePayload(e.code))
	}
	return say
}

// codecDone handles a codec's last word: the side closed, broke its protocol, or
// answered our close.
func (s *Session) codecDone(side relay.Side, err error) relay.Action {
	var a relay.Action
	if s.end.Load() == nil {
		a = s.finish(endByError(By(side), err))
	}
	_, closed := errors.AsType[*codec.CloseError](err)
	a.Heard = closed || errors.Is(err, codec.ErrClose)
	return a
}

// readEnded handles an end of TCP, or a connection that broke. After the first end
// of a tunnel it is what the other side waits for.
func (s *Session) readEnded(e relay.Event) relay.Action {
	fromClient := e.Side == relay.Client
	switch {
	case s.end.Load() != nil && fromClient:
		return relay.Action{ToBackend: &relay.Say{Fin: s.tunnel() || s.Backend.Legacy()}}
	case s.end.Load() != nil:
		return relay.Action{ToClient: &relay.Say{Fin: true}}
	case s.tunnel():
		return s.finish(s.tunnelEnd(By(e.Side), e.Err))
	}
	end := endFor(By(e.Side), s.reasonOfEnd(e), e.Err)
	end.gone = true
	return s.finish(end)
}

// tunnelEnd is the end by the side that has sent a Close frame first, if one has, else by
// the side that has ended TCP.
func (s *Session) tunnelEnd(half Side, err error) End {
	e := End{By: half, Reason: endedBy[half], Err: err, half: half}
	if closed, server := s.Summary.FirstClose(); closed && server {
		e.By, e.Reason = ByBackend, BackendClosed
	} else if closed {
		e.By, e.Reason = ByClient, ClientClosed
	}
	return e
}

// reasonOfEnd is why TCP ended. -75 has no other end; most browsers with -76 use no
// other.
func (s *Session) reasonOfEnd(e relay.Event) string {
	closes := !e.Cut && e.Err == nil && s.dialectOf(e.Side) == legacy.Hixie75
	switch {
	case e.Side == relay.Backend && closes:
		return BackendClosed
	case e.Side == relay.Backend:
		return BackendGone
	case e.Cut:
		return ClientCut
	case closes:
		return ClientClosed
	}
	return ClientGone
}

// slow handles a side that took nothing for the write timeout. That overrules an
// end whose last bytes it did not take.
func (s *Session) slow(side relay.Side) relay.Action {
	e := endFor(By(side), slowBy[By(side)], nil)
	begun := s.end.Load()
	if begun == nil {
		return s.finish(e)
	}
	if begun.Reason != ClientSlow && begun.Reason != BackendSlow {
		s.end.Store(&e)
	}
	return relay.Action{}
}

// nextTick is when a Ping or a look at the idle time is due; zero if never.
func (s *Session) nextTick(now time.Time) time.Time {
	period := s.Limits.Ping
	if idle := s.Limits.Idle; period == 0 || idle > 0 && idle < period {
		period = idle
	}
	if s.nudge() != nil {
		period = max(period/4, time.Second) // it is due a time after the last byte, which is seen at ticks only
	}
	if period == 0 {
		return time.Time{}
	}
	return now.Add(period)
}

// tick sends a Ping to the modern side and looks whether the last one was heard, and
// whether messages still pass. A side whose bytes are not read, because the other
// takes none, is not to blame for its silence. One that is behind with reading gets
// no Ping on top.
func (s *Session) tick(e relay.Event) relay.Action {
	if e.Carried != s.carried || e.Busy != [2]bool{} { // a slow side is not idle
		s.carried, s.lastCarried = e.Carried, e.Now
	}
	pinged, other := relay.Backend, relay.Client
	if s.Backend.Legacy() {
		pinged, other = other, pinged
	}
	canPing := !s.tunnel() && !s.dialectOf(pinged).Legacy()
	pingDue := s.Limits.Ping > 0 && canPing && e.Now.Sub(s.lastPing) >= s.Limits.Ping
	switch {
	case s.Limits.Idle > 0 && e.Now.Sub(s.lastCarried) >= s.Limits.Idle:
		return s.finish(endFor(ByGateway, Idle, nil))
	case pingDue && s.pinged && !e.Busy[other]:
		s.deaf = s.deaf || pinged == relay.Backend && !s.Summary.Answered.Load()
		if e.Heard[pinged] == s.heard {
			return s.finish(endFor(By(pinged), silentBy[By(pinged)], nil))
		}
	}
	a := relay.Action{Next: s.nextTick(e.Now)}
	if pingDue {
		s.heard, s.lastPing, s.pinged = e.Heard[pinged], e.Now, !e.Busy[pinged]
	}
	if pingDue && s.pinged {
		a.Pings[pinged] = s.control(modern.Ping, nil)
	}
	a.Message = s.keepAlive(e)
	return a
}

// keepAlive returns a message for a legacy client that has been sent nothing for the
// time between Pings. -76 and -75 have no ping, and proxies close silent connections.
func (s *Session) keepAlive(e relay.Event) []byte {
	if s.nudge() == nil {
		return nil
	}
	if e.Sent != s.sent {
		s.sent, s.lastSent = e.Sent, e.Now
	}
	if e.Now.Sub(s.lastSent) < s.Limits.Ping || e.Busy[relay.Client] {
		return nil
	}
	s.lastSent = e.Now
	return s.Limits.Nudge
}

func (s *Session) nudge() []byte {
	if !s.Dialect.Legacy() {
		return nil
	}
	return s.Limits.Nudge
}
