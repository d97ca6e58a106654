package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"github.com/ws76/ws76/legacy"
)

// policyWait is how long the rest of a Flash policy request is waited for.
const policyWait = 3 * time.Second

// An edgeListener looks at what comes before HTTP: the header of the PROXY
// protocol, and Flash's request for its socket policy.
type edgeListener struct {
	net.Listener
	proxied bool     // every connection begins with a PROXY header
	trusted Networks // who may send one
	timeout time.Duration
	policy  []byte // the answer to Flash; nil = none
	refused *atomic.Int64
	logger  hclog.Logger
}

// Accept does not wait for the client: the first Read of a connection does.
func (l *edgeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || !l.proxied && l.policy == nil {
		return conn, err
	}
	return &edgeConn{Conn: conn, l: l, br: bufio.NewReaderSize(conn, 1024)}, nil
}

// An edgeConn is what is behind a PROXY header: its RemoteAddr is the client's.
type edgeConn struct {
	net.Conn
	l  *edgeListener
	br *bufio.Reader

	once   sync.Once
	err    error
	client net.Addr
	tls    bool
}

// begin reads what comes before HTTP.
func (c *edgeConn) begin() error {
	c.once.Do(func() {
		c.client = c.Conn.RemoteAddr()
		if c.l.proxied {
			c.err = c.readProxyHeader()
		}
		if c.err == nil && c.l.policy != nil {
			c.err = c.answerFlash()
		}
	})
	return c.err
}

func (c *edgeConn) readProxyHeader() error {
	peer, err := netip.ParseAddrPort(c.client.String())
	if err != nil || !slices.ContainsFunc(c.l.trusted, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap()) }) {
		return c.refuse(fmt.Errorf("%s is not in WS76_TRUSTED_PROXIES, so it may not say who the client is", c.client))
	}
	c.Conn.SetReadDeadline(time.Now().Add(c.l.timeout))
	defer c.Conn.SetReadDeadline(time.Time{})
	if _, err := c.br.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err // a balancer that looks whether the port is open
	}
	header, err := proxyproto.Read(c.br)
	if err != nil {
		return c.refuse(fmt.Errorf("WS76_PROXY_PROTOCOL=required, but no PROXY header came: %w; have the proxy in front send it, or set off", err))
	}
	if source, _, ok := header.TCPAddrs(); ok && !header.Command.IsLocal() {
		c.client = source
	}
	if tlvs, err := header.TLVs(); err == nil {
		ssl, found := tlvparse.FindSSL(tlvs)
		c.tls = found && ssl.ClientSSL()
	}
	return nil
}

func (c *edgeConn) refuse(err error) error {
	c.l.refused.Add(1)
	c.l.logger.Warn("connection refused", "client", c.client.String(), "reason", "proxy-header", "error", err)
	return err
}

// answerFlash answers a policy request, which is the whole of a connection of
// its own. Nothing else that can be answered begins with '<'.
func (c *edgeConn) answerFlash() error {
	c.Conn.SetReadDeadline(time.Now().Add(c.l.timeout))
	defer c.Conn.SetReadDeadline(time.Time{})
	if first, err := c.br.Peek(1); err != nil || first[0] != legacy.PolicyRequest[0] {
		return err
	}
	c.Conn.SetReadDeadline(time.Now().Add(policyWait))
	request, err := c.br.Peek(len(legacy.PolicyRequest))
	if err != nil || !bytes.Equal(request, []byte(legacy.PolicyRequest)) {
		return io.EOF
	}
	c.Conn.SetWriteDeadline(time.Now().Add(policyWait))
	c.Conn.Write(c.l.policy)
	c.l.logger.Info("flash policy answered", "client", c.client.String())
	return io.EOF
}

// Read reads HTTP.
func (c *edgeConn) Read(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	if c.br.Buffered() == 0 {
		return c.Conn.Read(p)
	}
	return c.br.Read(p[:min(len(p), c.br.Buffered())])
}

// RemoteAddr is the client's address, not the proxy's.
func (c *edgeConn) RemoteAddr() net.Addr {
	c.begin()
	return c.client
}

// Secure reports whether the client's side of the proxy is TLS.
func (c *edgeConn) Secure() bool { return c.tls }

// Unwrap is the socket itself, and what has been read from it and not been
// given out.
func (c *edgeConn) Unwrap() (net.Conn, []byte) {
	unread, _ := c.br.Peek(c.br.Buffered())
	return c.Conn, unread
}

// CloseWrite ends our half of the connection.
func (c *edgeConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }
