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

// secure reports whether the request came over TLS that ends here.
func secure(r *http.Request) bool {
	if hc, ok := r.Context().Value(headKey{}).(*headConn); ok {
		_, isTLS := hc.Conn.(*tls.Conn)
		return isTLS
	}
	return r.TLS != nil
}

// bare is the connection without the memory of its head.
func bare(c net.Conn) net.Conn {
	if hc, ok := c.(*headConn); ok {
		return hc.Conn
	}
	return c
}
