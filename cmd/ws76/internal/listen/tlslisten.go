package listen

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// A tlsListener logs TLS handshakes that fail, and what to change so that the client
// gets in.
type tlsListener struct {
	net.Listener
	config *tls.Config
	failed *atomic.Int64
	logger hclog.Logger
}

// Accept does not wait for the handshake: the first Read of a connection does.
func (l *tlsListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	spoke := &spokenConn{Conn: conn}
	return &tlsConn{Conn: tls.Server(spoke, l.config), spoke: spoke, l: l}, nil
}

// A spokenConn knows whether anything was received.
type spokenConn struct {
	net.Conn
	received atomic.Bool
}

func (c *spokenConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.received.Store(true)
	}
	return n, err
}

// NetConn returns the connection below.
func (c *spokenConn) NetConn() net.Conn { return c.Conn }

type tlsConn struct {
	*tls.Conn
	spoke *spokenConn
	l     *tlsListener
	done  bool // the handshake is over
}

// Read completes the handshake first.
func (c *tlsConn) Read(p []byte) (int, error) {
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
func (c *tlsConn) Secure() bool { return true }

// Unwrap returns the TLS connection, because its owner closes TLS in another way than a
// socket. Nothing is buffered here.
func (c *tlsConn) Unwrap() (net.Conn, []byte) { return c.Conn, nil }

// report logs the failure. A client that closed or reset without sending a byte, as
// balancers that check the port do, is none, nor is an end of our own.
func (l *tlsListener) report(c *tlsConn, err error) {
	if errors.Is(err, net.ErrClosed) || !c.spoke.received.Load() && !errors.Is(err, os.ErrDeadlineExceeded) {
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
