// Package admission lets in no more clients than the limits allow, nobody when the gateway
// drains, and knows when all have left, and when descriptors are scarce.
package admission

import (
	"net/netip"
	"time"
)

// The reasons of Gate.Enter.
const (
	TooManyConnections = "too-many-connections"
	TooManyOfClient    = "too-many-of-client"
	TooManyHandshakes  = "too-many-handshakes"
	ShuttingDown       = "shutting-down"
)

var descriptions = map[string]string{
	TooManyConnections: "this gateway has as many connections as it is configured to accept",
	TooManyOfClient:    "this client has as many connections as this gateway is configured to accept of one address",
	TooManyHandshakes:  "this second brought as many opening handshakes as this gateway is configured to accept",
	ShuttingDown:       "this gateway is shutting down; connect again",
}

// Describe says what a reason of this package means. It is empty for any other word.
func Describe(reason string) string { return descriptions[reason] }

// Limits are what a Gate goes by. 0 is unlimited.
type Limits struct {
	Connections int // at once
	PerClient   int // of one client at once
	PerSecond   int // new ones
}

// A limiter counts who is in. Its caller guards it.
type limiter struct {
	limits   Limits
	open     int // handshakes under way, and connections
	byClient map[netip.Prefix]int

	// A handshake takes a token; there are PerSecond new ones a second, and never more
	// than that.
	tokens   float64
	refilled time.Time
}

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits, byClient: map[netip.Prefix]int{}}
}

// enter takes room for one more connection, or returns the reason why there is none.
func (l *limiter) enter(client netip.Prefix, now time.Time) (reason string) {
	switch {
	case l.limits.Connections > 0 && l.open >= l.limits.Connections:
		return TooManyConnections
	case l.limits.PerClient > 0 && l.byClient[client] >= l.limits.PerClient:
		return TooManyOfClient
	case !l.token(now):
		return TooManyHandshakes
	}
	l.open++
	if l.limits.PerClient > 0 {
		l.byClient[client]++
	}
	return ""
}

func (l *limiter) token(now time.Time) bool {
	rate := float64(l.limits.PerSecond)
	if rate == 0 {
		return true
	}
	l.tokens = min(rate, l.tokens+rate*now.Sub(l.refilled).Seconds())
	l.refilled = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// leave gives the room of an enter back.
func (l *limiter) leave(client netip.Prefix) {
	l.open--
	if l.byClient[client]--; l.byClient[client] <= 0 {
		delete(l.byClient, client)
	}
}
