package listen

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

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// policyWait is how long the rest of a Flash policy request is waited for.
const policyWait = 3 * time.Second

// A proxyListener looks at what comes before HTTP: the header of the PROXY
// protocol, and Flash's request for its socket policy.
type proxyListener struct {
	net.Listener
	proxied bool            // every connection begins with a PROXY header
	trusted config.Networks // who may send one
	timeout time.Duration
	policy  []byte // the response to Flash; nil = none
	refused *atomic.Int64
	logger  hclog.Logger
}

// Accept does not wait for the client: the first Read of a connection does.
func (l *proxyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || !l.proxied && l.policy == nil {
		return conn, err
	}
	return &proxyConn{Conn: conn, l: l, br: bufio.NewReaderSize(conn, 1024)}, nil
}

// A proxyConn is what is behind a PROXY header: its RemoteAddr is the client's.
type proxyConn struct {
	net.Conn
	l  *proxyListener
	br *bufio.Reader

	once   sync.Once
	err    error
	client net.Addr
	tls    bool
}

// begin reads what comes before HTTP, once.
func (c *proxyConn) begin() error {
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

func (c *proxyConn) readProxyHeader() error {
	peer, err := netip.ParseAddrPort(c.client.String())
	if _, isUnix := c.client.(*net.UnixAddr); isUnix {
		// whoever may write to the socket is trusted
	} else if err != nil || !slices.ContainsFunc(c.l.trusted, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap()) }) {
		return c.refuse(fmt.Errorf("%s is not in WS76_TRUSTED_PROXIES, so its PROXY header is not accepted", c.client))
	}
	c.Conn.SetReadDeadline(time.Now().Add(c.l.timeout))
	defer c.Conn.SetReadDeadline(time.Time{})
	if _, err := c.br.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err // a balancer that checks whether the port is open
	}
	c.awaitLine()
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

// awaitLine waits for the line of a version 1 header, of which proxyproto wants all from
// a single read.
func (c *proxyConn) awaitLine() {
	const begin, longest = "PROXY ", 107
	for n := 1; n <= longest; n++ {
		line, err := c.br.Peek(n)
		if err != nil || line[n-1] == '\n' || n <= len(begin) && line[n-1] != begin[n-1] {
			return
		}
	}
}

func (c *proxyConn) refuse(err error) error {
	c.l.refused.Add(1)
	c.l.logger.Warn("connection refused", "client", c.client.String(), "reason", "proxy-header", "error", err)
	return err
}

// answerFlash answers a policy request, after which the connection ends. Nothing else
// that can be answered begins with '<'.
func (c *proxyConn) answerFlash() error {
	c.Conn.SetReadDeadline(time.Now().Add(c.l.timeout))
	defer c.Conn.SetReadDeadline(time.Time{})
	if first, err := c.br.Peek(1); err != nil || first[0] != flashPolicyRequest[0] {
		return err
	}
	c.Conn.SetReadDeadline(time.Now().Add(policyWait))
	request, err := c.br.Peek(len(flashPolicyRequest))
	if err != nil || !bytes.Equal(request, []byte(flashPolicyRequest)) {
		return io.EOF
	}
	c.Conn.SetWriteDeadline(time.Now().Add(policyWait))
	c.Conn.Write(c.l.policy)
	c.l.logger.Info("flash policy answered", "client", c.client.String())
	return io.EOF
}

// Read reads what follows the PROXY header.
func (c *proxyConn) Read(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	if c.br.Buffered() == 0 {
		return c.Conn.Read(p)
	}
	return c.br.Read(p[:min(len(p), c.br.Buffered())])
}

// RemoteAddr is the client's address, not the proxy's.
func (c *proxyConn) RemoteAddr() net.Addr {
	c.begin()
	return c.client
}

// Secure reports whether the client uses TLS, as its proxy says.
func (c *proxyConn) Secure() bool { return c.tls }

// Unwrap returns the socket, and bytes that were read from it and not yet returned by
// Read.
func (c *proxyConn) Unwrap() (net.Conn, []byte) {
	unread, _ := c.br.Peek(c.br.Buffered())
	return c.Conn, unread
}

// NetConn returns the socket.
func (c *proxyConn) NetConn() net.Conn { return c.Conn }

// CloseWrite shuts down the sending side.
func (c *proxyConn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }
