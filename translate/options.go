package translate

import (
	"cmp"
	"net/netip"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/codec"
)

// Options configure a Gateway. Backend must be set; everything else has a
// zero value that works, except that a zero timeout of Head, Dial, Key3,
// Write, Close or KeepAlive is replaced by its default.
type Options struct {
	Backend    modern.Dialer
	PathPrefix string // put before every path towards the backend

	BackendDialect legacy.Dialect // RFC6455, Hixie76 or Hixie75; 0 = RFC6455
	BackendOrigin  string         // the Origin sent to a backend of -76 or -75; "" = the client's
	BackendHost    string         // the Host sent to the backend; "" = by PreserveHost
	BackendLax     bool           // accept the slips that legacy.Request knows from a backend of -76 or -75
	BinaryUp       bool           // base64 text from a client of -76 or -75 is a binary message to the backend
	KeepAliveText  string         // sent to a client of -76 or -75 after Timeouts.Ping without a byte to it; "" = none

	PreserveHost bool     // send the client's Host to the backend instead of Backend.Address
	PublicURL    *url.URL // scheme and host of the Location; nil = from the request

	TrustedProxies []netip.Prefix   // whose X-Forwarded-For is passed on
	Dialects       []legacy.Dialect // that may come in; nil = all
	Origins        []string         // allowed, exact or *.suffix; nil = any
	Binary         BinaryPolicy     // "" = BinaryText

	Limits   Limits
	Timeouts Timeouts
	Logger   hclog.Logger // nil = none

	// Local, if set, answers at a path of its own in the place of the backend.
	Local *Local

	// Observer, if set, is shown all opening handshakes and all bytes of WebSocket
	// connections, payloads included.
	Observer Observer
}

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
	l.Skip = cmp.Or(l.Skip, 1<<20) // a limit is what ends a stray HTTP request, whose G looks like a reserved type
	l.Head = cmp.Or(l.Head, 16<<10)
}

// Timeouts bound what waits, of plain HTTP only the request head, the connection
// to the backend and the writes to the client. A request body that stalls and a
// backend that has not answered yet are left without timeout, for long polls: the
// backend's own timeouts hold, as without the gateway.
type Timeouts struct {
	Head      time.Duration // for a request head; 0 = 10 s
	Dial      time.Duration // for connection and opening handshake of the backend; 0 = 10 s
	Key3      time.Duration // for key3 after the head of the 101; 0 = 5 s
	Write     time.Duration // that a side may take nothing for that is sent to it; 0 = 30 s
	Close     time.Duration // for the closing handshake, when what was sent before has been taken; 0 = 5 s
	Idle      time.Duration // without a message in either direction; 0 = for ever
	KeepAlive time.Duration // of a client's connection between two requests; 0 = 620 s
	Ping      time.Duration // between two Pings to the backend; 0 = none
}

func (t *Timeouts) setDefaults() {
	t.Head = cmp.Or(t.Head, 10*time.Second)
	t.Dial = cmp.Or(t.Dial, 10*time.Second)
	t.Key3 = cmp.Or(t.Key3, 5*time.Second)
	t.Write = cmp.Or(t.Write, 30*time.Second)
	t.Close = cmp.Or(t.Close, 5*time.Second)
	t.KeepAlive = cmp.Or(t.KeepAlive, 620*time.Second)
}

// A BinaryPolicy says what becomes of a binary message from a backend, because -75
// and -76 have text only.
type BinaryPolicy = codec.BinaryPolicy

// The policies.
const (
	BinaryClose  = codec.BinaryClose  // end the connection: Close 1003, FF 00
	BinaryBase64 = codec.BinaryBase64 // a text message in standard base64
	BinaryText   = codec.BinaryText   // a text message if it is UTF-8, else as BinaryClose
	BinaryDrop   = codec.BinaryDrop   // nothing, counted
)
