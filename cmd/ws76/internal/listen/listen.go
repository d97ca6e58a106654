// Package listen opens the ports of ws76, and reads what comes before HTTP on them: PROXY
// headers, Flash policy requests and TLS.
package listen

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/certs"
	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/translate"
)

// Listen opens a port for clients: host:port, or unix:/path. write is how long one
// may take nothing.
func Listen(address string, write time.Duration) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		ln, err := listenUnix(path)
		if err != nil {
			return nil, err
		}
		return translate.WithWriteTimeout(ln, write), nil
	}
	return translate.Listen(address, write)
}

// Ports are what ws76 listens on; one that is off is nil.
type Ports struct {
	Plain, TLS net.Listener // for clients
	Admin      net.Listener

	ProxyHeadersRefused atomic.Int64 // connections without a PROXY header that counts
	TLSFailed           atomic.Int64 // TLS handshakes of clients
}

// Open opens all ports that are configured, or none; of those that systemd has opened it
// takes over the sockets. A non-nil error is a
// config.Errors with all those that cannot be opened.
func Open(c *config.Config, server *certs.Certificate, logger hclog.Logger) (*Ports, error) {
	p := &Ports{}
	sockets, problems := inherited()
	if sockets["WS76_TLS_LISTEN"] != nil && c.TLSListen == "" {
		problems = append(problems, config.Invalid("WS76_TLS_LISTEN", "", "it is off, but systemd has passed on a socket for it; allowed: an address with WS76_TLS_CERT and WS76_TLS_KEY"))
	}
	open := func(name string, address config.Address, listen func(string) (net.Listener, error)) net.Listener {
		var ln net.Listener
		var err error
		switch socket := sockets[name]; {
		case socket != nil:
			ln, err = adopt(socket, time.Duration(c.WriteTimeout))
		case address == "":
			return nil
		default:
			ln, err = listen(string(address))
		}
		if err != nil {
			problems = append(problems, notOpened(name, string(address), err))
			return nil
		}
		return ln
	}
	forClients := func(address string) (net.Listener, error) { return Listen(address, time.Duration(c.WriteTimeout)) }
	p.Plain = open("WS76_LISTEN", config.Address(c.Listen), forClients)
	p.TLS = open("WS76_TLS_LISTEN", c.TLSListen, forClients)
	p.Admin = open("WS76_ADMIN", c.Admin, func(address string) (net.Listener, error) { return net.Listen("tcp", address) })
	if problems != nil {
		p.close()
		return nil, problems
	}
	if p.Plain != nil {
		p.Plain = p.withProxyHeader(c, p.Plain, c.FlashPolicy, logger)
	}
	if p.TLS != nil {
		p.TLS = &tlsListener{p.withProxyHeader(c, p.TLS, nil, logger), server.ServerTLS(c.TLSMinVersion), &p.TLSFailed, logger}
	}
	return p, nil
}

func notOpened(name, address string, err error) config.Problem {
	if strings.HasPrefix(address, "unix:") {
		return config.Invalid(name, address, "%w; allowed: a path in a directory that ws76 may write to, where nothing is or a socket that nobody listens on, for example unix:/run/ws76/ws76.sock", err)
	}
	if errors.Is(err, syscall.EACCES) {
		return config.Invalid(name, address, "%w; allowed: a port from 1024 on, or any with CAP_NET_BIND_SERVICE, for example by docker/systemd/ws76.socket", err)
	}
	return config.Invalid(name, address, "%w; allowed: host:port of this machine that nothing else listens on, for example 127.0.0.1:0 for any", err)
}

// Clients are the ports for clients.
func (p *Ports) Clients() (listeners []net.Listener) {
	for _, ln := range []net.Listener{p.Plain, p.TLS} {
		if ln != nil {
			listeners = append(listeners, ln)
		}
	}
	return listeners
}

func (p *Ports) close() {
	for _, ln := range append(p.Clients(), p.Admin) {
		if ln != nil {
			ln.Close()
		}
	}
}

// AddressOf is the address of a port for the log.
func AddressOf(ln net.Listener) string {
	if ln == nil {
		return "off"
	}
	return ln.Addr().String()
}

// withProxyHeader wraps a listener in one that reads what comes before HTTP and TLS.
func (p *Ports) withProxyHeader(c *config.Config, ln net.Listener, policy config.Domains, logger hclog.Logger) net.Listener {
	l := &proxyListener{
		Listener: ln, proxied: c.ProxyProtocol == "required", trusted: c.TrustedProxies,
		timeout: time.Duration(c.HeadTimeout), refused: &p.ProxyHeadersRefused, logger: logger,
	}
	if len(policy) > 0 {
		l.policy = flashPolicy(policy...)
	}
	return l
}
