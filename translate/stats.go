package translate

import (
	"maps"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/census"
	"github.com/ws76/ws76/translate/internal/relay"
	"github.com/ws76/ws76/translate/proxies"
)

// Stats is what a Gateway has done since it was made.
type Stats struct {
	Requests        int64                        // of plain HTTP, sent to the backend
	RequestsRefused map[Reason]int64             // of plain HTTP that got no response of the backend
	LastSeen        map[legacy.Dialect]time.Time // of the latest opening handshake, refused ones too

	Open     map[legacy.Dialect]int64   // connections open now
	Opened   map[legacy.Dialect]int64   // connections ever opened
	Traffic  map[legacy.Dialect]Traffic // of open and closed connections
	Refused  map[Refused]int64          // handshakes that did not become a connection
	Closed   map[Closed]int64           // connections that ended
	Told     map[legacy.Dialect]int64   // of them, those that Shutdown closed and whose client took the goodbye
	Cut      int64                      // connections, handshakes and plain requests that Shutdown had no time for
	Faults   map[proxies.Fault]int64    // handshakes that a proxy damaged
	Doubts   map[proxies.Fault]int64    // handshakes that a proxy may have damaged
	Skipped  int64                      // frames of reserved types dropped
	Repaired int64                      // messages in which U+FFFD was put
	Dropped  int64                      // binary messages dropped, by BinaryDrop

	Visitors map[legacy.Dialect][]Visitor // of -75 and -76 in the last 7 days, at most 200 each, the latest first
	census   census.Census

	Lifetime  map[legacy.Dialect]Histogram // of closed connections, by Lifetimes
	Handshake map[legacy.Dialect]Histogram // of opened connections, from the request head to the last byte of the 101
	Key3Wait  Histogram                    // of opened -76 connections, from the head of the 101 to key3
}

// Traffic is messages and their bytes, up to the backend and down from it.
type Traffic = census.Traffic

// A Histogram counts durations, by Buckets or by Lifetimes.
type Histogram = census.Histogram

// A Visitor is a kind of client that came: what its software and its page are called.
type Visitor = census.Visitor

// Buckets and Lifetimes are the upper bounds of Histograms, in seconds.
var (
	Buckets   = census.Buckets
	Lifetimes = census.Lifetimes
)

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

// traffic returns the counts of what has left for the sides so far.
func (c *conn) traffic() (t Traffic) {
	t.MessagesUp, t.BytesUp = c.pair.Counts(relay.Client)
	t.MessagesDown, t.BytesDown = c.pair.Counts(relay.Backend)
	return t
}

// delivered returns what the sides have acknowledged of a closed connection, and how
// many bytes they have not, headers of frames among them.
func (c *conn) delivered() (t Traffic, undelivered int64) {
	up, upCounted := c.pair.Undelivered(relay.Backend)
	down, downCounted := c.pair.Undelivered(relay.Client)
	return c.traffic().Without(upCounted, downCounted), up + down
}

// opened counts a connection in. Like the other counters it is called with the
// registry's lock held, when a connection opens or closes, never for a message.
func (s *Stats) opened(c *conn, took time.Duration) {
	count(&s.Opened, c.Dialect)
	h := s.Handshake[c.Dialect]
	h.Observe(took, Buckets)
	put(&s.Handshake, c.Dialect, h)
}

func (s *Stats) closed(c *conn, e End) {
	count(&s.Closed, Closed{c.Dialect, e.By, e.Reason})
	if e.Reason == ShuttingDown && c.pair.Told(relay.Client) {
		count(&s.Told, c.Dialect)
	}
	h := s.Lifetime[c.Dialect]
	h.Observe(time.Since(c.since), Lifetimes)
	put(&s.Lifetime, c.Dialect, h)
	delivered, _ := c.delivered()
	put(&s.Traffic, c.Dialect, s.Traffic[c.Dialect].Plus(delivered))
	s.Skipped += c.Summary.Skipped
	s.Repaired += c.Summary.Repaired
	s.Dropped += c.Summary.Dropped
}

func count[K comparable](m *map[K]int64, key K) { put(m, key, (*m)[key]+1) }

func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = value
}

// clone returns a copy that shares nothing with s.
func (s *Stats) clone() Stats {
	c := *s
	c.RequestsRefused = maps.Clone(s.RequestsRefused)
	c.LastSeen, c.Handshake = s.census.LastSeen(), maps.Clone(s.Handshake)
	c.Opened, c.Refused, c.Closed, c.Faults = maps.Clone(s.Opened), maps.Clone(s.Refused), maps.Clone(s.Closed), maps.Clone(s.Faults)
	c.Doubts, c.Told = maps.Clone(s.Doubts), maps.Clone(s.Told)
	c.Traffic, c.Lifetime = maps.Clone(s.Traffic), maps.Clone(s.Lifetime)
	c.Visitors, c.census = s.census.Visitors(time.Now()), census.Census{}
	return c
}
