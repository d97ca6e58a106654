package translate

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// maxHead bounds a request head. net/http adds 4 KiB of its own to the limit
// that it is given.
const maxHead = 16 << 10

// A headListener hands out connections that remember the request head.
type headListener struct{ net.Listener }

func (l headListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headConn{Conn: conn}, nil
}

// A headConn remembers the head that net/http reads from it. net/http keeps
// neither the order of the fields, by which Flash is told from WebKit, nor the
// space that a key may begin with.
type headConn struct {
	net.Conn
	head     []byte
	complete bool
}

// Read is called by one goroutine at a time. net/http reads on in another one
// while a handler runs, but by then the head is complete.
func (c *headConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.complete {
		c.head = append(c.head, p[:n]...)
		c.complete = len(c.head) > maxHead || bytes.Contains(c.head, []byte("\r\n\r\n"))
	}
	return n, err
}

type headKey struct{}

// connContext gives a handler access to the connection.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, headKey{}, c)
}

// nextHead is an http.Server's ConnState: a connection that is idle again
// begins a new head.
func nextHead(c net.Conn, state http.ConnState) {
	if hc, ok := c.(*headConn); ok && state == http.StateIdle {
		hc.head, hc.complete = nil, false
	}
}

// rawHead is the head of the request as it was received, nil if the request
// was pipelined behind another one, or not served by Gateway.Serve.
func rawHead(r *http.Request) []byte {
	hc, ok := r.Context().Value(headKey{}).(*headConn)
	if !ok || !bytes.HasPrefix(hc.head, []byte(r.Method+" "+r.RequestURI+" ")) {
		return nil
	}
	end := bytes.Index(hc.head, []byte("\r\n\r\n"))
	return hc.head[:end+2]
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
