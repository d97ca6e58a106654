package translate

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Limits bound what a Gateway takes. 0 is unlimited, but for Skip and Head.
type Limits struct {
	Message              int64 // bytes of one message
	Skip                 int64 // bytes of a frame of a reserved type, which is skipped; 0 = 1 MiB
	Head                 int   // bytes of a request head, at least 8 KiB; 0 = 16 KiB
	Connections          int   // WebSocket connections at once
	ConnectionsPerClient int   // of one address, or one /64 of IPv6
	HandshakesPerSecond  int
}

func (l *Limits) setDefaults() {
	if l.Skip == 0 {
		l.Skip = 1 << 20 // a limit is what ends a stray HTTP request, whose G looks like a reserved type
	}
	if l.Head == 0 {
		l.Head = 16 << 10
	}
}

// An admission lets in no more than the limits allow.
type admission struct {
	limits   *Limits
	open     int // handshakes under way, and bridges
	byClient map[netip.Prefix]int

	// A handshake takes a token; there are HandshakesPerSecond new ones a second,
	// and never more than that.
	tokens   float64
	refilled time.Time
}

// enter takes room for one more connection, or says why there is none.
func (a *admission) enter(client netip.Prefix, now time.Time) Reason {
	switch {
	case a.limits.Connections > 0 && a.open >= a.limits.Connections:
		return TooManyConnections
	case a.limits.ConnectionsPerClient > 0 && a.byClient[client] >= a.limits.ConnectionsPerClient:
		return TooManyOfClient
	case !a.token(now):
		return TooManyHandshakes
	}
	a.open++
	if a.limits.ConnectionsPerClient > 0 {
		a.byClient[client]++
	}
	return ""
}

func (a *admission) token(now time.Time) bool {
	rate := float64(a.limits.HandshakesPerSecond)
	if rate == 0 {
		return true
	}
	a.tokens = min(rate, a.tokens+rate*now.Sub(a.refilled).Seconds())
	a.refilled = now
	if a.tokens < 1 {
		return false
	}
	a.tokens--
	return true
}

// leave gives the room of an enter back.
func (a *admission) leave(client netip.Prefix) {
	a.open--
	if a.byClient[client]--; a.byClient[client] <= 0 {
		delete(a.byClient, client)
	}
}

// clientOf is the address that a request counts for: the last one that no
// trusted proxy has. What stands before it, anybody can write.
func (g *Gateway) clientOf(r *http.Request) netip.Prefix {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	addr, _ := netip.ParseAddr(peer)
	addr = addr.WithZone("")
	forwarded := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(forwarded) - 1; i >= 0 && g.trusts(addr.String()); i-- {
		before, ok := forwardedFor(strings.TrimSpace(forwarded[i]))
		if !ok {
			break
		}
		addr = before
	}
	bits := 32
	if addr = addr.Unmap(); addr.Is6() {
		bits = 64
	}
	client, _ := addr.Prefix(bits)
	return client
}

// forwardedFor is the address that an element of X-Forwarded-For is; some proxies
// put the port behind it.
func forwardedFor(element string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(element); err == nil {
		return at.Addr(), true
	}
	addr, err := netip.ParseAddr(element)
	return addr, err == nil
}

// retryAfter asks for a second of patience.
var retryAfter = http.Header{"Retry-After": {"1"}}

// notAdmitted is the refusal of a client for a reason of enter.
func notAdmitted(reason Reason, client netip.Prefix) refusal {
	ref := refusal{reason: reason, status: http.StatusServiceUnavailable, header: retryAfter.Clone()}
	if reason == TooManyOfClient {
		ref.status, ref.detail = http.StatusTooManyRequests, "counted as "+client.String()
	}
	return ref
}
