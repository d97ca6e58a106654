package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// serve runs the gateway until ctx ends, then drains it.
func serve(ctx context.Context, args []string, _, stderr io.Writer) error {
	if err := noArguments("serve", args); err != nil {
		return err
	}
	c, cr, err := load()
	if err != nil {
		return err
	}
	logger := newLogger(c, stderr)
	p, err := openPorts(c, cr, logger.Named("edge"))
	if err != nil {
		return err
	}
	gateway := translate.New(c.options(cr, logger.Named("gateway")))
	admin := newAdmin(c, cr, p, gateway, logger.Named("admin"))
	defer admin.start(p.admin)()
	go keepMemorySmall(ctx, gateway)
	defer ignoreHangups(logger)()
	for _, pair := range cr.certificates() {
		go pair.watch(ctx, logger.Named("tls"))
	}
	warn(c, cr, logger)
	logger.Info("serving", "listen", addressOf(p.plain), "tls_listen", addressOf(p.secure), "backend", c.Backend.Address, "admin", addressOf(p.admin), "version", versionText())
	failed := make(chan error, 2)
	for _, ln := range p.clients() {
		go func() { failed <- fmt.Errorf("serve %s: %w", ln.Addr(), gateway.Serve(ln)) }()
	}
	select {
	case err := <-failed:
		logger.Error("port failed, so the gateway ends", "error", err)
		admin.notReady()
		return errors.Join(err, drain(c, gateway, logger))
	case <-ctx.Done():
		admin.notReady()
		return drain(c, gateway, logger)
	}
}

// warn says what an operator may not know of what is configured.
func warn(c *Config, cr credentials, logger hclog.Logger) {
	for _, pair := range cr.certificates() {
		pair.warn(logger)
	}
	if c.TLSListen != "" && c.TLSMinVersion < minSafeTLS {
		logger.Warn("old tls is on: versions below 1.2, cbc ciphers and rsa key exchange without forward secrecy, for clients of 2010; clients of today still get 1.3, but leave this port to clients that need it", "variable", "WS76_TLS_MIN_VERSION")
	}
}

func (c *Config) options(cr credentials, logger hclog.Logger) translate.Options {
	return translate.Options{
		Backend:        modern.Dialer{Address: c.Backend.Address, TLS: cr.backend},
		PathPrefix:     c.Backend.Prefix,
		PreserveHost:   c.BackendHost == "preserve",
		PublicURL:      c.PublicURL.URL,
		TrustedProxies: c.TrustedProxies,
		Dialects:       c.Dialects,
		Origins:        c.Origins,
		Binary:         translate.BinaryPolicy(c.Binary),
		Limits: translate.Limits{
			Message:              int64(c.MaxMessage),
			Skip:                 cmp.Or(int64(c.MaxSkip), math.MaxInt64),
			Head:                 int(c.MaxHead),
			Connections:          int(c.MaxConnections),
			ConnectionsPerClient: int(c.MaxConnectionsPerClient),
			HandshakesPerSecond:  int(c.MaxHandshakes),
		},
		Timeouts: translate.Timeouts{
			Head:  time.Duration(c.HeadTimeout),
			Dial:  time.Duration(c.DialTimeout),
			Key3:  time.Duration(c.Key3Timeout),
			Write: time.Duration(c.WriteTimeout),
			Close: time.Duration(c.CloseTimeout),
			Idle:  time.Duration(c.IdleTimeout),
			Ping:  time.Duration(c.PingInterval),
		},
		Logger: logger,
	}
}
