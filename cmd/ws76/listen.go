package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
)

// listen opens a port for clients.
func listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: keepAlive}
	return lc.Listen(context.Background(), "tcp", address)
}

// ports are what the gateway listens on; one that is off is nil.
type ports struct {
	plain, secure net.Listener // for clients
	admin         net.Listener
	refused       *atomic.Int64 // connections, for want of a PROXY header
}

// openPorts opens all that are configured, or none: the error names each that
// cannot be had.
func openPorts(c *Config, cr credentials, logger hclog.Logger) (p ports, err error) {
	var problems []error
	open := func(name string, address Address, listen func(string) (net.Listener, error)) net.Listener {
		if address == "" {
			return nil
		}
		ln, err := listen(string(address))
		switch {
		case err == nil:
			return ln
		case errors.Is(err, syscall.EACCES):
			err = fmt.Errorf("%w; allowed: a port from 1024 on, or any with CAP_NET_BIND_SERVICE, for example by docker/systemd/port-80.conf", err)
		default:
			err = fmt.Errorf("%w; allowed: host:port of this machine that nothing else listens on, for example 127.0.0.1:0 for any", err)
		}
		problems = append(problems, wrong(name, string(address), err))
		return nil
	}
	p.plain = open("WS76_LISTEN", c.Listen, listen)
	p.secure = open("WS76_TLS_LISTEN", c.TLSListen, listen)
	p.admin = open("WS76_ADMIN", c.Admin, func(address string) (net.Listener, error) { return net.Listen("tcp", address) })
	if problems != nil {
		p.close()
		return ports{}, environmentError(problems)
	}
	p.refused = new(atomic.Int64)
	if p.plain != nil {
		p.plain = p.edge(c, p.plain, c.FlashPolicy, logger)
	}
	if p.secure != nil {
		p.secure = &secureListener{p.edge(c, p.secure, nil, logger), c.serverTLS(cr.served), &cr.served.refused, logger}
	}
	return p, nil
}

// clients are the ports for clients.
func (p ports) clients() (listeners []net.Listener) {
	for _, ln := range []net.Listener{p.plain, p.secure} {
		if ln != nil {
			listeners = append(listeners, ln)
		}
	}
	return listeners
}

func (p ports) close() {
	for _, ln := range append(p.clients(), p.admin) {
		if ln != nil {
			ln.Close()
		}
	}
}

// addressOf is for the log.
func addressOf(ln net.Listener) string {
	if ln == nil {
		return off
	}
	return ln.Addr().String()
}

// edge looks at what comes before HTTP and TLS, as it is configured.
func (p ports) edge(c *Config, ln net.Listener, policy Domains, logger hclog.Logger) net.Listener {
	e := &edgeListener{
		Listener: ln, proxied: c.ProxyProtocol == "required", trusted: c.TrustedProxies,
		timeout: time.Duration(c.HeadTimeout), refused: p.refused, logger: logger,
	}
	if len(policy) > 0 {
		e.policy = legacy.Policy(policy...)
	}
	return e
}
