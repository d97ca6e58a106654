package translate

import (
	"bytes"
	"context"
	"crypto/tls"
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

// netHTTPSlop is what net/http adds to the limit for heads that it is given.
const netHTTPSlop = 4 << 10

// A headListener hands out connections that remember the request head. It may
// be closed more than once.
type headListener struct {
	net.Listener
	close func() error
	gw    *Gateway
}

func newHeadListener(ln net.Listener, gw *Gateway) headListener {
	return headListener{ln, sync.OnceValue(ln.Close), gw}
}

func (l headListener) Close() error { return l.close() }

func (l headListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headConn{Conn: conn, gw: l.gw}, nil
}

// A headConn remembers the head that net/http reads from it. net/http keeps
// neither the order of the fields, by which Flash is told from WebKit, nor the
// space that a key may begin with. And it has a reason for what net/http refuses
// by itself.
type headConn struct {
	net.Conn
	gw      *Gateway
	serving atomic.Bool // a request: what is written is not net/http's own
	ended   atomic.Bool // nothing more comes in

	mu       sync.Mutex // net/http reads on in another goroutine while a handler runs
	blank    int        // bytes of line ends that may come before the head
	head     []byte
	complete bool
	behind   []byte // the head: a body, or what is pipelined
	body     int64  // what is to come of it, if serving
	lost     bool   // no head can be told from a body any more
}

func (c *headConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // net/http's own way to stop a read
		c.ended.Store(true)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record(p[:n])
	return n, err
}

func (c *headConn) record(b []byte) {
	switch {
	case c.lost:
	case c.complete:
		c.behind = append(c.behind, b...)
		c.skip()
	default:
		if len(c.head) == 0 {
			b = c.skipBlank(b)
		}
		from := max(0, len(c.head)-2)
		c.head = append(c.head, b...)
		if n := modern.HeadEnd(c.head[from:]); n > 0 {
			c.head, c.behind, c.complete = c.head[:from+n], bytes.Clone(c.head[from+n:]), true
		}
		c.lost = !c.complete && len(c.head) > c.gw.options.Limits.Head
	}
}

// skipBlank drops what net/http does not take for the begin of a head.
func (c *headConn) skipBlank(b []byte) []byte {
	for c.blank > 0 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b, c.blank = b[1:], c.blank-1
	}
	return b
}

// skip drops what is known to be body.
func (c *headConn) skip() {
	if c.serving.Load() {
		n := min(c.body, int64(len(c.behind)))
		c.behind, c.body = c.behind[n:], c.body-n
	}
}

// serve is for a request that has been read. Where the chunks of a body end,
// only net/http knows.
func (c *headConn) serve(r *http.Request) {
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
	c.skip()
}

// next begins another head.
func (c *headConn) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serving.Store(false)
	pipelined := c.behind
	c.head, c.complete, c.behind = nil, false, nil
	c.record(pipelined)
}

// Write puts a refusal of ours in the place of one by net/http, unless it is for
// a client that left.
func (c *headConn) Write(p []byte) (int, error) {
	if !c.serving.Load() && !c.ended.Load() && c.gw.refuseUnread(c, p) {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// lingerOn is how long a client is heard that goes on with a request that has had
// its answer.
const lingerOn = 30 * time.Second

// CloseWrite is called by net/http when its answer did not wait for all of the
// request. What still comes is read and dropped while it comes: a reset would take
// the answer back (RFC 9112 section 9.6).
func (c *headConn) CloseWrite() error {
	conn, _ := bare(c)
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || !c.serving.Load() { // or a refusal has heard it out
		return errors.ErrUnsupported
	}
	err := half.CloseWrite()
	p := make([]byte, 32<<10)
	for end := time.Now().Add(lingerOn); err == nil && time.Now().Before(end); {
		conn.SetReadDeadline(time.Now().Add(linger))
		_, err = conn.Read(p)
	}
	return nil
}

// strangers are what comes in the place of a request, by how it begins, that
// should have come to another port, or to this one with other settings.
var strangers = map[string]string{
	"\x16\x03":               "TLS came: this port is for connections without",
	"PROXY ":                 "a PROXY header came: the gateway is not configured to expect one",
	"\r\n\r\n\x00\r\nQUIT\n": "a PROXY header of version 2 came: the gateway is not configured to expect one",
}

// stranger says what came in the place of a request, if that is known.
func (c *headConn) stranger() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	came := slices.Concat(c.head, c.behind)
	for begin, what := range strangers {
		if bytes.HasPrefix(came, []byte(begin)) {
			return what
		}
	}
	return ""
}

type headKey struct{}

// connContext gives a handler access to the connection.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, headKey{}, c)
}

// serving is for a request that has been read.
func serving(r *http.Request) {
	if hc, ok := r.Context().Value(headKey{}).(*headConn); ok {
		hc.serve(r)
	}
}

// nextHead is an http.Server's ConnState: a connection that is idle again
// begins a new head.
func nextHead(c net.Conn, state http.ConnState) {
	if hc, ok := c.(*headConn); ok && state == http.StateIdle {
		hc.next()
	}
}

// rawHead is the head of the request as it was received, nil if a body in
// chunks came before it on the connection, if it is longer than the limit, or
// if it was not served by Gateway.Serve.
func rawHead(r *http.Request) []byte {
	hc, ok := r.Context().Value(headKey{}).(*headConn)
	if !ok {
		return nil
	}
	hc.mu.Lock()
	defer hc.mu.Unlock()
	if !hc.complete || !bytes.HasPrefix(hc.head, []byte(r.Method+" "+r.RequestURI+" ")) {
		return nil
	}
	return hc.head
}

// secure reports whether the client's side of the connection is TLS: it ends
// here, or at a proxy that says so in front of the first request.
func secure(r *http.Request) bool {
	hc, ok := r.Context().Value(headKey{}).(*headConn)
	if !ok {
		return r.TLS != nil
	}
	if _, isTLS := hc.Conn.(*tls.Conn); isTLS {
		return true
	}
	said, ok := hc.Conn.(interface{ Secure() bool })
	return ok && said.Secure()
}

// bare is the connection without what a listener wrapped it in, and what the
// wrapping had read ahead.
func bare(c net.Conn) (conn net.Conn, unread []byte) {
	if hc, ok := c.(*headConn); ok {
		c = hc.Conn
	}
	if w, ok := c.(interface{ Unwrap() (net.Conn, []byte) }); ok {
		return w.Unwrap()
	}
	return c, nil
}
