// Package rawhead has a listener that remembers the heads of requests as they were
// received. net/http keeps neither the order of the fields, by which Flash is told from
// WebKit, nor the space that a key may begin with.
package rawhead

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ws76/ws76/modern"
)

const (
	// silence is how long the rest of a request may pause when its response is complete.
	silence = time.Second
	// drainTimeout is how long the rest of a request is read when its response is complete.
	drainTimeout = 30 * time.Second
)

// Config configures a Listener.
type Config struct {
	Limit int // of bytes of a head; a longer one is not remembered

	// OnServerError is called with a response that net/http writes by itself, because it
	// cannot read a request. It returns true if it has responded in its place. It is called
	// with nil when the time for a head is over of which a part has come: net/http would
	// respond or not, by where the part ends.
	OnServerError func(c *Conn, response []byte) bool
}

// A Listener hands out Conns. It may be closed more than once.
type Listener struct {
	net.Listener
	config *Config
	close  func() error
}

// NewListener returns a Listener on top of ln.
func NewListener(ln net.Listener, config *Config) *Listener {
	return &Listener{ln, config, sync.OnceValue(ln.Close)}
}

// Close closes the listener.
func (l *Listener) Close() error { return l.close() }

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: conn, config: l.config, lead: len("\r\n")}, nil
}

// A Conn remembers the head that net/http reads from it.
type Conn struct {
	net.Conn
	config  *Config
	serving atomic.Bool                  // a request, so what is written is a handler's
	ended   atomic.Bool                  // nothing more can be read
	late    atomic.Bool                  // OnServerError was called for a head that came too late
	drain   atomic.Pointer[time.Time]    // until when the rest of a request is read
	phrase  atomic.Pointer[string]       // of the next status line
	observe atomic.Pointer[func([]byte)] // is shown what is written

	mu       sync.Mutex // net/http reads on in another goroutine while a handler runs
	lead     int        // bytes of CR LF that may precede the first head
	blank    int        // bytes of line ends that net/http tolerates before the head
	begun    bool       // something of the head has come
	head     []byte
	complete bool
	behind   []byte // the head: a body, or what is pipelined
	body     int64  // bytes of the body that have not come, if serving
	lost     bool   // the next head cannot be located any more
}

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Read reads, and records what it has read. It drops a CR LF before the first request,
// which net/http tolerates only behind a POST (RFC 9112 section 2.2).
func (c *Conn) Read(p []byte) (n int, err error) {
	for n == 0 && err == nil {
		if n, err = c.read(p); len(p) == 0 {
			break
		}
	}
	return n, err
}

func (c *Conn) read(p []byte) (int, error) {
	if end := c.drain.Load(); end != nil {
		c.extend(*end)
	}
	n, err := c.Conn.Read(p)
	timeout := errors.Is(err, os.ErrDeadlineExceeded)
	if err != nil && !timeout { // net/http's own way to stop a read
		c.ended.Store(true)
	}
	n = c.received(p[:n])
	if timeout && c.waitsForHead() && !c.late.Swap(true) {
		c.config.OnServerError(c, nil)
	}
	return n, err
}

// received records what has been read, and returns how much of it net/http gets.
func (c *Conn) received(b []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(b)
	if c.lead > 0 {
		n = copy(b, c.skipLead(b))
	}
	c.begun = c.begun || n > 0 && !c.serving.Load()
	c.record(b[:n])
	return n
}

// waitsForHead reports whether a head has begun and is not whole.
func (c *Conn) waitsForHead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun && !c.complete && !c.serving.Load()
}

func (c *Conn) skipLead(b []byte) []byte {
	for ; len(b) > 0 && c.lead > 0; c.lead-- {
		if b[0] != "\r\n"[2-c.lead] {
			c.lead = 0
			break
		}
		b = b[1:]
	}
	return b
}

func (c *Conn) record(b []byte) {
	switch {
	case c.lost:
	case c.complete:
		c.behind = append(c.behind, b...)
		c.skipBody()
	default:
		if len(c.head) == 0 {
			b = c.skipBlank(b)
		}
		from := max(0, len(c.head)-2)
		c.head = append(c.head, b...)
		if n := modern.HeadEnd(c.head[from:]); n > 0 {
			c.head, c.behind, c.complete = c.head[:from+n], bytes.Clone(c.head[from+n:]), true
		}
		c.lost = !c.complete && len(c.head) > c.config.Limit
	}
}

// skipBlank drops the leading CRLFs that net/http tolerates before a request line.
func (c *Conn) skipBlank(b []byte) []byte {
	for c.blank > 0 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b, c.blank = b[1:], c.blank-1
	}
	return b
}

// skipBody drops what is known to be body.
func (c *Conn) skipBody() {
	if c.serving.Load() {
		n := min(c.body, int64(len(c.behind)))
		c.behind, c.body = c.behind[n:], c.body-n
	}
}

// Serve marks the head as read by net/http, and r as its request. After a chunked body
// the next head cannot be located, so recording stops.
func (c *Conn) Serve(r *http.Request) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serving.Store(true)
	c.body = r.ContentLength
	c.blank = 0
	if r.Method == http.MethodPost {
		c.blank = 4 // old clients end a form with CR LF (RFC 9112 section 2.2)
	}
	if c.body < 0 {
		c.lost, c.behind = true, nil
		return
	}
	c.skipBody()
}

// next begins another head.
func (c *Conn) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serving.Store(false)
	pipelined := c.behind
	c.head, c.complete, c.behind = nil, false, nil
	c.begun = len(pipelined) > 0
	c.record(pipelined)
}

// Head returns the head of the request as it was received. It is nil if a chunked body
// preceded it on the connection, if it is longer than the limit, or if c is nil.
func (c *Conn) Head(r *http.Request) []byte {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.complete || !bytes.HasPrefix(c.head, []byte(r.Method+" "+r.RequestURI+" ")) {
		return nil
	}
	return c.head
}

// NothingBehind reports whether the request is all that has been read from the
// connection. It is false where that is not known.
func (c *Conn) NothingBehind() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.complete && !c.lost && c.body == 0 && len(c.behind) == 0 && !c.ended.Load()
}

// Begins returns what has been read since the last request.
func (c *Conn) Begins() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.head, c.behind)
}

// SetPhrase sets the reason phrase of the next response, for which net/http has only
// its own words.
func (c *Conn) SetPhrase(phrase string) {
	if c != nil && phrase != "" {
		c.phrase.Store(&phrase)
	}
}

// Observe has what is written from now on shown to f, unless f is nil.
func (c *Conn) Observe(f func([]byte)) {
	if f == nil {
		c.observe.Store(nil)
		return
	}
	c.observe.Store(&f)
}

// Write writes p, unless OnServerError responds in its place. Nobody responds to a
// client that has left, nor twice.
func (c *Conn) Write(p []byte) (int, error) {
	if c.late.Load() {
		return len(p), nil
	}
	if !c.serving.Load() && !c.ended.Load() && c.config.OnServerError(c, p) {
		return len(p), nil
	}
	out := c.withPhrase(p)
	if observe := c.observe.Load(); observe != nil {
		(*observe)(out)
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// withPhrase returns p with the phrase of SetPhrase in its status line.
func (c *Conn) withPhrase(p []byte) []byte {
	const status = len("HTTP/1.1 200")
	phrase := c.phrase.Swap(nil)
	line, rest, found := bytes.Cut(p, []byte("\r\n"))
	if phrase == nil || !found || len(line) < status {
		return p
	}
	return slices.Concat(line[:status], []byte(" "+*phrase+"\r\n"), rest)
}

// Drain gives the rest of a request whose response is complete a second for each read,
// and 30 s in all. net/http reads it before it closes, without a deadline of its own.
func (c *Conn) Drain() {
	if c == nil {
		return
	}
	end := time.Now().Add(drainTimeout)
	c.drain.Store(&end)
	c.extend(end)
}

func (c *Conn) extend(end time.Time) {
	if next := time.Now().Add(silence); next.Before(end) {
		end = next
	}
	c.Conn.SetReadDeadline(end)
}

// CloseWrite is called by net/http when it has not read all of a request with its
// response. What still comes is read and dropped: a reset would take the response back
// (RFC 9112 section 9.6).
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || !c.serving.Load() { // OnServerError has drained the connection
		return errors.ErrUnsupported
	}
	err := half.CloseWrite()
	end := time.Now().Add(drainTimeout)
	for p := make([]byte, 32<<10); err == nil; {
		c.extend(end)
		_, err = c.Conn.Read(p) // not recorded
	}
	return nil
}

type key struct{}

// ConnContext gives handlers access to the Conn. It is for http.Server.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, key{}, c)
}

// ConnState begins a new head on a connection that is idle again. It is for http.Server.
func ConnState(c net.Conn, state http.ConnState) {
	if hc, ok := c.(*Conn); ok && state == http.StateIdle {
		hc.next()
	}
}

// Of returns the connection of a request, nil if it came from no Listener.
func Of(r *http.Request) *Conn {
	c, _ := r.Context().Value(key{}).(*Conn)
	return c
}
