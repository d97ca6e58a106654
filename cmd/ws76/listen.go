package main

import (
	"context"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
)

// listen opens a port for clients.
func listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: keepAlive}
	return lc.Listen(context.Background(), "tcp", address)
}

// listenEdge opens the one port for clients as it is configured.
func listenEdge(c *Config, logger hclog.Logger) (net.Listener, error) {
	ln, err := listen(string(c.Listen))
	if err != nil {
		return nil, err
	}
	edge := &edgeListener{
		Listener: ln, proxied: c.ProxyProtocol == "required", trusted: c.TrustedProxies,
		timeout: time.Duration(c.HeadTimeout), logger: logger,
	}
	if len(c.FlashPolicy) > 0 {
		edge.policy = legacy.Policy(c.FlashPolicy...)
	}
	return edge, nil
}
