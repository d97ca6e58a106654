package inspect

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// maxWaiting is how many rows wait at most for their bytes on the other side.
const maxWaiting = 1024

// The sides of a connection, by which its arrays are indexed.
const (
	client = iota
	backend
)

var sideNames = [2]string{"client", "backend"}

// A conn is a connection, or an opening handshake that was refused. It is the Tap of its
// connection, and parses what it is shown at once, so that rows are whole whatever the
// memory for them.
type conn struct {
	inspector *Inspector
	id        int64
	exchange  *translate.Exchange
	dialects  [2]legacy.Dialect // of the client, of the backend
	deflate   bool

	mu      sync.Mutex
	rows    []*row // the oldest first
	lost    int64  // rows that went for lack of memory
	changed int64
	streams [4]stream
	waiting [2][]*row // from a side: not seen on the other one yet
	carried [2]carried
	closes  [2]bool // Close was seen from a side
	gone    bool    // it is not kept any more
	over    bool
	until   time.Time
	by      string
	reason  translate.Reason
	damage  translate.Damage
}

// carried counts what a side has sent.
type carried struct {
	Messages int64 `json:"messages"`
	Bytes    int64 `json:"bytes"` // of payload
}

func newConn(i *Inspector, x *translate.Exchange) *conn {
	c := &conn{inspector: i, exchange: x, dialects: [2]legacy.Dialect{x.Dialect, x.Backend}, damage: x.Damage, changed: i.seq.Add(1)}
	c.deflate = bytes.Contains(bytes.ToLower(x.Answer), []byte("permessage-deflate"))
	for n := range c.streams {
		s := &c.streams[n]
		s.conn, s.side, s.written = c, n/2, n%2 == 1
		if d := c.dialects[s.side]; d.Legacy() {
			s.legacy = &legacy.Scanner{Dialect: d}
		}
	}
	if x.Reason != "" {
		c.over, c.until, c.reason = true, now(), x.Reason
	}
	return c
}

// tunnel reports whether frames pass as they are.
func (c *conn) tunnel() bool {
	return c.dialects[client] == c.dialects[backend] || !c.dialects[client].Legacy() && !c.dialects[backend].Legacy()
}

// size returns what the connection takes without its rows.
func (c *conn) size() int64 {
	x := c.exchange
	return 1024 + int64(len(x.Request)+len(x.Forwarded)+len(x.Answer)+len(x.Response)+len(x.Path)+len(x.UserAgent))
}

// Bytes takes what was read or written.
func (c *conn) Bytes(side translate.Side, written bool, b []byte) {
	n := 2 * client
	if side == translate.ByBackend {
		n = 2 * backend
	}
	if written {
		n++
	}
	c.mu.Lock()
	if !c.gone {
		c.streams[n].feed(b)
	}
	c.mu.Unlock()
	c.inspector.trim()
}

// Closed adds the last row.
func (c *conn) Closed(e translate.End, d translate.Damage) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	r := c.newRow(string(e.By), ended)
	if e.By == translate.ByGateway {
		r.From = "ws76"
	}
	r.Reason = string(e.Reason)
	r.note("%s", e.Reason.Description())
	if e.Err != nil {
		r.note("%v", e.Err)
	}
	for _, waiting := range c.waiting {
		for _, r := range waiting {
			if r.Kind.isMessage() {
				r.note("not passed on: the other side had closed")
				c.grow(r, 0)
			}
		}
	}
	c.waiting = [2][]*row{}
	c.over, c.until, c.by, c.reason, c.damage = true, now(), r.From, e.Reason, d
	c.mu.Unlock()
	c.inspector.ended(c)
	c.inspector.trim()
}

func (c *conn) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// evict drops rows with a lower number than cut.
func (c *conn) evict(cut int64) (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; len(c.rows) > int(n) && c.rows[n].Seq < cut; n++ {
		c.rows[n].gone = true
		c.inspector.held.Add(-c.rows[n].size)
	}
	c.rows = slices.Delete(c.rows, 0, int(n))
	c.lost += n
	return n
}

// drop ends the keeping: nothing is taken any more.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.rows {
		r.gone = true
		c.inspector.held.Add(-r.size)
	}
	c.gone, c.rows, c.waiting, c.streams = true, nil, [2][]*row{}, [4]stream{}
}

func (c *conn) newRow(from string, k kind) *row {
	r := &row{Seq: c.inspector.seq.Add(1), Time: now(), From: from, Kind: k}
	r.changed, c.changed = r.Seq, r.Seq
	c.rows = append(c.rows, r)
	c.grow(r, rowSize)
	return r
}

func (c *conn) grow(r *row, by int64) {
	r.changed = c.inspector.seq.Add(1)
	c.changed = r.changed
	if !r.gone {
		r.size += by
		c.inspector.held.Add(by)
	}
}

// rowFor is the row of a frame that begins: a new one for what a side sends, that of its
// cause for what ws76 writes.
func (c *conn) rowFor(s *stream, k kind) *row {
	if !s.written {
		r := c.newRow(sideNames[s.side], k)
		if k != skipped && !(k == binary && !c.tunnel() && c.inspector.binary == translate.BinaryDrop) {
			c.wait(s.side, r)
		}
		return r
	}
	if k == pong && !c.tunnel() {
		c.answer(s)
	}
	if r := c.take(1-s.side, k); r != nil {
		if k == binary && r.Kind == text {
			r.note("base64: sent as the binary message that it stands for (WS76_BINARY_UP=base64)")
		}
		return r
	}
	r := c.newRow("ws76", k)
	switch {
	case k == pong:
		r.note("ws76 answers the Ping: the %s, of -%s, knows none", sideNames[1-s.side], c.dialects[1-s.side])
	case k == ping:
		r.note("ws76 asks whether the %s still answers (WS76_PING_INTERVAL)", sideNames[s.side])
	case k == closing && c.closes[s.side]:
		r.note("ws76 answers the close of this side")
	case k == closing:
		r.note("ws76 closes: the end below says why")
	case k == text:
		r.note("ws76 keeps the connection from being silent (WS76_KEEPALIVE_TEXT)")
	}
	return r
}

func (c *conn) wait(from int, r *row) {
	if len(c.waiting[from]) == maxWaiting {
		c.waiting[from] = slices.Delete(c.waiting[from], 0, 1)
	}
	c.waiting[from] = append(c.waiting[from], r)
}

// answer notes which Ping of a side the Pong that is written to it answers. Those before it
// that were not answered never will be.
func (c *conn) answer(s *stream) {
	waiting := c.waiting[s.side]
	for n, r := range waiting {
		if r.Kind != ping {
			continue
		}
		if got, _ := r.wire(s.side).message(); !bytes.Equal(got, s.control) {
			continue
		}
		r.note("answered by ws76")
		c.grow(r, 0)
		before := slices.DeleteFunc(waiting[:n:n], func(r *row) bool { return r.Kind == ping })
		c.waiting[s.side] = append(before, waiting[n+1:]...)
		return
	}
}

// take is the row from a side that a frame of this kind belongs to.
func (c *conn) take(from int, k kind) *row {
	same := func(r *row) bool { return r.Kind == k || r.Kind.isMessage() && k.isMessage() }
	at := slices.IndexFunc(c.waiting[from], same)
	if at < 0 {
		return nil
	}
	r := c.waiting[from][at]
	c.waiting[from] = slices.Delete(c.waiting[from], at, at+1)
	return r
}

// frameEnded handles a frame that is no message.
func (c *conn) frameEnded(s *stream, r *row) {
	switch {
	case r.Kind == closing && !s.written:
		c.closes[s.side] = true
	case r.Kind == pong && !s.written && !c.tunnel():
		r.note("the answer to a Ping of ws76: the %s, of -%s, knows no Pong", sideNames[1-s.side], c.dialects[1-s.side])
	}
	if r.Kind != closing || s.legacy != nil || r.Code != 0 {
		return
	}
	payload, _ := r.wire(s.side).message()
	code, reason := modern.ParseClose(payload)
	r.Code, r.Reason = int(code), strings.ToValidUTF8(reason, "\uFFFD")
	if !c.tunnel() && !s.written {
		r.note("the code goes no further: FF 00 of -76 and the end of TCP of -75 have no room for one")
	}
}

// messageEnded handles a message that is complete on one side.
func (c *conn) messageEnded(s *stream, r *row) {
	w := r.wire(s.side)
	if !s.written {
		c.carried[s.side].Messages++
		c.carried[s.side].Bytes += w.Payload
	}
	switch {
	case c.tunnel():
		return
	case w.Frames > 1 && s.written:
		r.note("ws76 sent it in %d fragments, as it came", w.Frames)
	case w.Frames > 1:
		r.note("ws76 joined %d fragments: -75 and -76 have none", w.Frames)
	}
	if r.Kind == binary && !s.written {
		r.note("binary: %s", binaryNotes[c.inspector.binary])
	}
}

var binaryNotes = map[translate.BinaryPolicy]string{
	translate.BinaryDrop:   "dropped (WS76_BINARY=drop): -75 and -76 carry text only",
	translate.BinaryBase64: "sent as base64 (WS76_BINARY=base64): -75 and -76 carry text only",
	translate.BinaryText:   "sent as text if it is UTF-8 (WS76_BINARY=text): -75 and -76 carry text only",
	translate.BinaryClose:  "the connection ends (WS76_BINARY=close): -75 and -76 carry text only",
	"":                     "the connection ends: -75 and -76 carry text only",
}
