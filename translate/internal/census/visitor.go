// Package census knows who came and what they carried: kinds of clients, what a client
// calls itself, traffic, and histograms of durations. It is pure counting; the caller
// guards it.
package census

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
)

const (
	// maxVisitors is how many kinds of clients are remembered of each dialect.
	maxVisitors = 200
	// visitorsFor is how long they are remembered.
	visitorsFor = 7 * 24 * time.Hour
	// ownAgent begins the User-Agent of our own clients, probe and connect.
	ownAgent = "ws76-"
)

// A Visitor is a kind of client that came: what its software and its page are called.
type Visitor struct {
	UserAgent, Origin string // at most 256 bytes each
	Handshakes        int64
	Last              time.Time
}

// visitors are those of a dialect, the most recent first. What clients call themselves
// is theirs to choose, so there is a limit.
type visitors []Visitor

// saw counts a handshake.
func (v visitors) saw(userAgent, origin string, now time.Time) visitors {
	i := slices.IndexFunc(v, func(known Visitor) bool { return known.UserAgent == userAgent && known.Origin == origin })
	visitor := Visitor{UserAgent: strings.Clone(userAgent), Origin: strings.Clone(origin)}
	switch {
	case i >= 0:
		visitor = v[i]
		v = slices.Delete(v, i, i+1)
	case len(v) == maxVisitors:
		v = v[:maxVisitors-1]
	}
	visitor.Handshakes++
	visitor.Last = now
	return slices.Insert(v, 0, visitor)
}

// recent returns a copy of those who came in the last 7 days.
func (v visitors) recent(now time.Time) []Visitor {
	old := slices.IndexFunc(v, func(known Visitor) bool { return now.Sub(known.Last) > visitorsFor })
	if old < 0 {
		old = len(v)
	}
	return slices.Clone(v[:old])
}

// A Census is who came, by dialect. The zero value is empty.
type Census struct {
	lastSeen map[legacy.Dialect]time.Time
	visitors map[legacy.Dialect]visitors
}

// Saw notes the opening handshake of a client that is not one of our own. Kinds of
// clients are remembered of -75 and -76.
func (c *Census) Saw(d legacy.Dialect, r *http.Request, now time.Time) {
	agent := cut(r.UserAgent())
	if strings.HasPrefix(agent, ownAgent) {
		return
	}
	if c.lastSeen == nil {
		c.lastSeen, c.visitors = map[legacy.Dialect]time.Time{}, map[legacy.Dialect]visitors{}
	}
	c.lastSeen[d] = now
	if d.Legacy() {
		c.visitors[d] = c.visitors[d].saw(agent, cut(r.Header.Get("Origin")), now)
	}
}

// LastSeen returns when each dialect came last.
func (c *Census) LastSeen() map[legacy.Dialect]time.Time { return maps.Clone(c.lastSeen) }

// Visitors returns the kinds of clients that came in the last 7 days, the latest first.
func (c *Census) Visitors(now time.Time) map[legacy.Dialect][]Visitor {
	recent := map[legacy.Dialect][]Visitor{}
	for d, v := range c.visitors {
		recent[d] = v.recent(now)
	}
	return recent
}
