package translate

import (
	"crypto/tls"
	"net"
	"net/http"

	"github.com/ws76/ws76/translate/internal/rawhead"
	"github.com/ws76/ws76/translate/internal/sockets"
)

// A WrappedConn is a connection whose listener has put something before the socket: a
// PROXY header that it reads, TLS. Serve takes any net.Conn; of one that is a
// WrappedConn, it uses the connection below where that saves work.
type WrappedConn interface {
	net.Conn

	// NetConn returns the connection below. It may be called at any time, and must not
	// change anything.
	NetConn() net.Conn

	// Unwrap returns the connection to go on with, and a copy of the bytes that were read
	// from it and that Read has not returned. After it, Read and Write are not called.
	Unwrap() (conn net.Conn, buffered []byte)

	// Secure reports whether the client's side is TLS, here or at a proxy that says so
	// before the first request.
	Secure() bool
}

// unwrap returns the connection that carries the messages of a client, and what was read
// from it ahead. No Read may be waiting.
func unwrap(c net.Conn) (conn net.Conn, buffered []byte) {
	if hc, ok := c.(*rawhead.Conn); ok {
		c = accepted(hc)
	}
	if w, ok := c.(WrappedConn); ok {
		return w.Unwrap()
	}
	return c, nil
}

// rawHead returns the head of the request as it was received, or nil where it is not known.
func rawHead(r *http.Request) []byte { return rawhead.Of(r).Head(r) }

// accepted returns the connection as the listener that Serve was given made it: without
// the write timeout that Serve put on top of one that is no socket.
func accepted(hc *rawhead.Conn) net.Conn {
	c := hc.NetConn()
	if timed, ok := c.(*sockets.Conn); ok && !timed.IsSocket() {
		return timed.NetConn()
	}
	return c
}

// isSecure reports whether the client's side of the connection is TLS.
func isSecure(r *http.Request) bool {
	hc := rawhead.Of(r)
	if hc == nil {
		return r.TLS != nil
	}
	switch c := accepted(hc).(type) {
	case *tls.Conn:
		return true
	case WrappedConn:
		return c.Secure()
	}
	return false
}
