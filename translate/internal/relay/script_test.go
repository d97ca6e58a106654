package relay

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// lines is a codec whose messages end with a newline. A question mark at the
// begin of one asks, a dot ends.
type lines struct {
	messages, bytes int64
	mid             bool
}

type question string

func (question) Error() string { return "asked" }

var errDot = errors.New("a dot")

func (l *lines) Transform(dst, src []byte, full bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		line, _, whole := bytes.Cut(src[nSrc:], []byte("\n"))
		n := len(line)
		if whole {
			n++
		} else if !full {
			return nDst, nSrc, nil
		}
		switch {
		case !l.mid && whole && n > 1 && line[0] == '?':
			return nDst, nSrc + n, question(line[1:])
		case !l.mid && whole && string(line) == ".":
			return nDst, nSrc + n, errDot
		case len(dst)-nDst < n:
			return nDst, nSrc, io.ErrShortBuffer
		}
		copy(dst[nDst:], src[nSrc:nSrc+n])
		nDst, nSrc = nDst+n, nSrc+n
		l.mid = !whole
		l.bytes += int64(n)
		if whole {
			l.messages++
		}
	}
	return nDst, nSrc, nil
}

func (l *lines) AtBoundary() bool       { return !l.mid }
func (l *lines) MidMessage() bool       { return l.mid }
func (l *lines) Counts() (int64, int64) { return l.messages, l.bytes }

// script is a Protocol that ends a Pair at the first end of anything: with "bye"
// to the client and the end of TCP to both.
type script struct {
	up, down Codec
	handle   func(Event) (a Action, ok bool) // before the rules of script
	next     time.Duration                   // between Ticks
	patient  bool                            // patientTimeout is the write timeout

	mu     sync.Mutex
	events []Event
	end    bool
	pair   *Pair
	closed chan struct{}
}

func (s *script) Codecs() (up, down Codec) { return s.up, s.down }
func (s *script) Meters() (up, down Meter) { return nil, nil }

func (s *script) Tap() func(Side, bool, []byte) { return nil }

func (s *script) Answer(err error) ([]byte, bool) {
	q, ok := err.(question)
	return []byte("!" + string(q) + "\n"), ok
}

func (s *script) Handle(e Event) Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	if s.handle != nil {
		if a, ok := s.handle(e); ok {
			return a
		}
	}
	switch {
	case e.Kind == Started || e.Kind == Tick:
		if s.next > 0 {
			return Action{Next: e.Now.Add(s.next)}
		}
		return Action{}
	case s.end:
		return Action{Heard: e.Kind == CodecDone, ToClient: &Say{Fin: true}, ToBackend: &Say{Fin: true}}
	}
	s.end = true
	return Action{
		End: true, Heard: e.Kind == CodecDone, AfterInput: e.Kind == Shutdown,
		ToClient: &Say{Bytes: []byte("bye\n"), Fin: true}, ToBackend: &Say{Bytes: []byte("bye\n"), Fin: true},
	}
}

func (s *script) Closed(p *Pair) {
	s.pair = p
	close(s.closed)
}

// saw reports whether there was such an event.
func (s *script) saw(kind Kind, side Side) bool { return s.event(kind, side) != nil }

func (s *script) event(kind Kind, side Side) *Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.events {
		if s.events[i].Kind == kind && s.events[i].Side == side {
			return &s.events[i]
		}
	}
	return nil
}
