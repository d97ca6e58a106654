package main

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// A secureListener says which TLS handshakes fail, and what would let the
// client in.
type secureListener struct {
	net.Listener
	config *tls.Config
	failed *atomic.Int64
	logger hclog.Logger
}

// Accept does not wait for the handshake: the first Read of a connection does.
func (l *secureListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &secureConn{Conn: tls.Server(conn, l.config), l: l}, nil
}

type secureConn struct {
	*tls.Conn
	l    *secureListener
	done bool // the handshake is over
}

// Read is of the Conn, whose first one does the handshake.
func (c *secureConn) Read(p []byte) (int, error) {
	if !c.done {
		c.done = true
		if err := c.Handshake(); err != nil {
			c.l.report(c, err)
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// Secure reports that the client's side is TLS.
func (c *secureConn) Secure() bool { return true }

// Unwrap is the TLS connection, of which nothing has been read that was not given
// out. Its owner may have to know that it is one.
func (c *secureConn) Unwrap() (net.Conn, []byte) { return c.Conn, nil }

// report tells of a client that spoke; one that left without a word, as
// balancers that check the port do, is no failure.
func (l *secureListener) report(c *secureConn, err error) {
	if err == io.EOF {
		return
	}
	l.failed.Add(1)
	change := "nothing here, unless the client belongs to you"
	text := err.Error()
	switch {
	case strings.Contains(text, "unsupported versions"), strings.Contains(text, "no cipher suite"):
		change = "WS76_TLS_MIN_VERSION=1.0, if clients of 2010 are to be let in"
	case strings.Contains(text, "unknown certificate"), strings.Contains(text, "bad certificate"):
		change = "WS76_TLS_CERT: the client does not trust it; are the intermediate certificates in it?"
	case strings.Contains(text, "first record does not look like"):
		change = "the client: it does not speak tls; plain connections belong to WS76_LISTEN"
	}
	l.logger.Info("tls handshake failed", "client", c.RemoteAddr().String(), "error", err, "change", change)
}
