package translate

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// Options configure a Gateway. Backend must be set; everything else has a
// zero value that works, except that a zero timeout of Head, Dial, Key3,
// Write or Close is replaced by its default.
type Options struct {
	Backend    modern.Dialer
	PathPrefix string // put before every path towards the backend

	PreserveHost bool     // send the client's Host to the backend instead of Backend.Address
	PublicURL    *url.URL // scheme and host of the Location; nil = from the request

	TrustedProxies []netip.Prefix   // whose X-Forwarded-For is passed on
	Dialects       []legacy.Dialect // that may come in; nil = all
	Origins        []string         // allowed, exact or *.suffix; nil = any
	Binary         BinaryPolicy     // "" = BinaryClose

	Limits   Limits
	Timeouts Timeouts
	Logger   hclog.Logger // nil = none
}

// Timeouts bound what waits, of plain HTTP only the request head, the connection
// to the backend and the writes to the client. A request body that stalls and a
// backend that has not answered yet are left without timeout, for long polls: the
// backend's own timeouts hold, as without the gateway.
type Timeouts struct {
	Head  time.Duration // for a request head; 0 = 10 s
	Dial  time.Duration // for connection and opening handshake of the backend; 0 = 10 s
	Key3  time.Duration // for key3 after the head of the 101; 0 = 5 s
	Write time.Duration // for one write that the other side does not take; 0 = 30 s
	Close time.Duration // for the closing handshake on both sides; 0 = 5 s
	Idle  time.Duration // without a message in either direction; 0 = for ever
	Ping  time.Duration // between two Pings to the backend; 0 = none
}

func (t *Timeouts) setDefaults() {
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{{&t.Head, 10 * time.Second}, {&t.Dial, 10 * time.Second}, {&t.Key3, 5 * time.Second}, {&t.Write, 30 * time.Second}, {&t.Close, 5 * time.Second}} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
}
