package translate

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/opening"
	"github.com/ws76/ws76/translate/internal/rawhead"
)

// An Observer is shown every opening handshake, and the bytes of the connections that
// they open. Its methods, and those of its Taps, are called by the goroutines that carry
// the bytes: they must not wait, and may be called by several at once.
type Observer interface {
	// Handshake is called once for each opening handshake, when it is over. The Exchange
	// is the Observer's to keep. The Tap is asked for only if the connection is open;
	// nil means that its bytes are of no interest.
	Handshake(*Exchange) Tap
}

// A Tap is shown the bytes of one connection, those behind the opening handshake.
type Tap interface {
	// Bytes were read from a side, or written to it. They may be cut anywhere, but all
	// that was read before is shown before what was written because of it. The Tap must
	// copy what it wants to keep, and change nothing.
	Bytes(side Side, written bool, b []byte)
	// Closed is called once, after everything else.
	Closed(End, Damage)
}

// An Exchange is an opening handshake as it went over the wire, and what came of it.
type Exchange struct {
	Began     time.Time
	Took      time.Duration
	Dialect   legacy.Dialect // the client's
	Backend   legacy.Dialect // what the backend speaks
	Client    string         // address and port
	Path      string
	UserAgent string

	// The heads, with the blank line. Each is empty if it was not sent, or not received; those
	// of the client also if the Gateway did not accept the connection itself.
	Request   []byte // from the client
	Forwarded []byte // to the backend
	Answer    []byte // of the backend
	Response  []byte // to the client, with the challenge response of -76 or the body of a refusal behind it

	Key3     *[8]byte // of a -76 client that was answered
	Key3Wait time.Duration

	Reason Reason // of a refusal, or of a handshake that the client did not complete; empty if the connection is open
	Status int    // of the refusal
	Detail string
	Damage Damage
}

type exchangeKey struct{}

// observe begins an Exchange, if there is an Observer, and puts it into the request.
func (g *Gateway) observe(r *http.Request, d legacy.Dialect) *http.Request {
	if g.options.Observer == nil {
		return r
	}
	x := &Exchange{
		Began: time.Now(), Dialect: d, Backend: g.options.BackendDialect, Client: r.RemoteAddr, Path: strings.Clone(r.URL.Path),
		UserAgent: r.UserAgent(), Request: bytes.Clone(rawHead(r)),
	}
	return r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
}

// exchangeOf is the Exchange of a request, nil if nobody observes.
func exchangeOf(r *http.Request) *Exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*Exchange)
	return x
}

// heads returns what shows the Exchange the heads on the backend's side; nil for none.
func (x *Exchange) heads() opening.Heads {
	if x == nil {
		return nil
	}
	return func(sent bool, head []byte) {
		if sent {
			x.Forwarded = bytes.Clone(head)
		} else {
			x.Answer = bytes.Clone(head)
		}
	}
}

// key3 shows the Exchange what made the challenge response.
func (x *Exchange) key3(key3 [8]byte, wait time.Duration) {
	if x != nil {
		x.Key3, x.Key3Wait = &key3, wait
	}
}

// watch shows the Exchange what is written to the client from now on.
func (x *Exchange) watch(r *http.Request) {
	if hc := rawhead.Of(r); x != nil && hc != nil {
		hc.Observe(x.note)
	}
}

// maxRecorded is how much of a response to a client is kept, and of a body behind it.
const maxRecorded = 16 << 10

func (x *Exchange) note(p []byte) {
	x.Response = append(x.Response, p[:min(len(p), maxRecorded-len(x.Response))]...)
}

// observeFailure shows a handshake that opened no connection.
func (g *Gateway) observeFailure(r *http.Request, reason Reason, status int, detail string) {
	if x := exchangeOf(r); x != nil {
		x.Took, x.Reason, x.Status, x.Detail = time.Since(x.Began), reason, status, detail
		g.options.Observer.Handshake(x)
	}
}

// tap shows a connection that is open, and what has been read from it already.
func (g *Gateway) tap(r *http.Request, client, backend []byte) Tap {
	x := exchangeOf(r)
	if x == nil {
		return nil
	}
	x.Took = time.Since(x.Began)
	t := g.options.Observer.Handshake(x)
	if t == nil {
		return nil
	}
	for side, rest := range map[Side][]byte{ByClient: client, ByBackend: backend} {
		if len(rest) > 0 {
			t.Bytes(side, false, rest)
		}
	}
	return t
}
