package translate

import (
	"maps"
	"time"

	"github.com/ws76/ws76/legacy"
)

// Stats is what a Gateway has done since it was made.
type Stats struct {
	Requests int64                        // of plain HTTP, proxied
	LastSeen map[legacy.Dialect]time.Time // of the latest opening handshake, refused ones too

	Open     map[legacy.Dialect]int64   // connections open now
	Opened   map[legacy.Dialect]int64   // connections ever opened
	Traffic  map[legacy.Dialect]Traffic // of open and closed connections
	Refused  map[Refused]int64          // handshakes that did not become a connection
	Closed   map[Closed]int64           // connections that ended
	Faults   map[Fault]int64            // handshakes that a proxy damaged
	Skipped  int64                      // frames of reserved types dropped
	Repaired int64                      // messages in which U+FFFD was put
	Dropped  int64                      // binary messages dropped, by BinaryDrop

	Handshake map[legacy.Dialect]Histogram // of opened connections, from the request head to the last byte of the 101
	Key3Wait  Histogram                    // of opened -76 connections, from the head of the 101 to key3
}

// Traffic is messages and their bytes, up to the backend and down from it.
type Traffic struct {
	MessagesUp, BytesUp     int64
	MessagesDown, BytesDown int64
}

// Refused is a kind of refusal.
type Refused struct {
	Dialect legacy.Dialect
	Reason  Reason
}

// Closed is a kind of end.
type Closed struct {
	Dialect legacy.Dialect
	By      Side
	Reason  Reason
}

func (t Traffic) plus(b *bridge) Traffic {
	t.MessagesUp += b.up.messages.Load()
	t.BytesUp += b.up.bytes.Load()
	t.MessagesDown += b.down.messages.Load()
	t.BytesDown += b.down.bytes.Load()
	return t
}

// opened counts a bridge in. Like the others it is called with g.mu held, when
// a connection opens or closes, never for a message.
func (s *Stats) opened(b *bridge, took time.Duration) {
	count(&s.Opened, b.dialect)
	h := s.Handshake[b.dialect]
	h.observe(took)
	put(&s.Handshake, b.dialect, h)
}

func (s *Stats) saw(d legacy.Dialect) { put(&s.LastSeen, d, time.Now()) }

func (s *Stats) refused(d legacy.Dialect, r Reason) { count(&s.Refused, Refused{d, r}) }

func (s *Stats) closed(b *bridge, e *End) {
	count(&s.Closed, Closed{b.dialect, e.By, e.Reason})
	put(&s.Traffic, b.dialect, s.Traffic[b.dialect].plus(b))
	if u, ok := b.up.tr.(*up); ok {
		s.Skipped += u.skipped
		s.Repaired += u.repaired
	}
	if d, ok := b.down.tr.(*down); ok {
		s.Dropped += d.dropped
	}
}

func count[K comparable](m *map[K]int64, key K) { put(m, key, (*m)[key]+1) }

func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = value
}

// Stats returns a snapshot.
func (g *Gateway) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.stats
	s.LastSeen, s.Handshake = maps.Clone(s.LastSeen), maps.Clone(s.Handshake)
	s.Opened, s.Refused, s.Closed, s.Faults = maps.Clone(s.Opened), maps.Clone(s.Refused), maps.Clone(s.Closed), maps.Clone(s.Faults)
	s.Open, s.Traffic = map[legacy.Dialect]int64{}, map[legacy.Dialect]Traffic{}
	maps.Copy(s.Traffic, g.stats.Traffic)
	for b := range g.bridges {
		s.Open[b.dialect]++
		s.Traffic[b.dialect] = s.Traffic[b.dialect].plus(b)
	}
	return s
}
