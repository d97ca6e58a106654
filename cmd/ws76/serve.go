package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/admin"
	"github.com/ws76/ws76/cmd/ws76/internal/certs"
	"github.com/ws76/ws76/cmd/ws76/internal/check"
	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/cmd/ws76/internal/host"
	"github.com/ws76/ws76/cmd/ws76/internal/inspect"
	"github.com/ws76/ws76/cmd/ws76/internal/listen"
	"github.com/ws76/ws76/cmd/ws76/internal/logging"
	"github.com/ws76/ws76/cmd/ws76/internal/metrics"
	"github.com/ws76/ws76/cmd/ws76/internal/selftest"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// serve runs the gateway until ctx ends, then drains it.
func serve(ctx context.Context, args []string, _, stderr io.Writer) error {
	if err := parseOnlyFlags(newFlags("serve"), args); err != nil {
		return err
	}
	c, cr, err := load()
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // or the end of whoever reads the log would be ours
	logger := logging.New(c, stderr)
	defer logger.Flush()
	p, err := listen.Open(c, cr.Server, logger.Named("edge"))
	if err != nil {
		return err
	}
	o := options(c, cr, logger.Named("gateway"))
	monitor := check.NewMonitor(o.Backend, logger.Named("backend"))
	o.Backend.Connected = monitor.Connected
	var inspector *inspect.Inspector
	if c.Inspect == "on" {
		inspector = inspect.New(int64(c.InspectMemory), o.Binary)
		o.Observer = inspector
	}
	if c.Selftest != "" {
		test := selftest.New(string(c.Selftest), o.Observer)
		defer test.Close()
		o.Local = test.Local()
	}
	gateway := translate.New(o)
	var port *admin.Server
	port = admin.New(c, gateway, monitor, metrics.Handler(metrics.Sources{
		Gateway: gateway, Credentials: cr, Ports: p, Version: versionText(), LogLinesLost: logger.Lost, Backend: monitor, Limits: o.Limits,
		Draining: func() bool { return port.Draining() },
	}), inspector, logger.Named("admin"))
	defer port.Start(p.Admin)()
	host.TuneGC()
	go host.CollectWhenQuiet(ctx, gateway.Handshakes, debug.FreeOSMemory)
	defer host.IgnoreSIGHUP(logger)()
	for _, pair := range cr.Certificates() {
		go pair.Watch(ctx, logger.Named("tls"))
	}
	warn(c, cr, logger)
	logger.Info("serving", "listen", listen.AddressOf(p.Plain), "tls_listen", listen.AddressOf(p.TLS), "backend", config.Show("WS76_BACKEND"), "admin", listen.AddressOf(p.Admin), "version", versionText(),
		"settings", hclog.Quote(strings.Join(config.NotDefault(), " ")))
	defer watchdog(gateway, logger)()
	failed := make(chan error, 2)
	for _, ln := range p.Clients() {
		go func() { failed <- fmt.Errorf("serve %s: %w", ln.Addr(), gateway.Serve(ln)) }()
	}
	host.NotifyReady(logger)
	select {
	case err := <-failed:
		logger.Error("port failed, shutting down", "error", err)
		port.NotReady()
		return errors.Join(err, drain(c, gateway, logger))
	case <-ctx.Done():
		port.NotReady()
		return drain(c, gateway, logger)
	}
}

// watchdog starts telling systemd that the gateway is alive, until stop is called. A
// deadlock of the gateway holds up its Stats.
func watchdog(gateway *translate.Gateway, logger hclog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go host.Watchdog(ctx, func() { gateway.Stats() }, logger)
	return cancel
}

// load reads the environment and the files that it names.
func load() (*config.Config, certs.Credentials, error) {
	c, problems := config.Read()
	cr, more := certs.Load(c)
	problems.Add(more)
	return c, cr, problems.OrNil()
}

// warn logs what an operator may not know about the configuration.
func warn(c *config.Config, cr certs.Credentials, logger hclog.Logger) {
	for _, pair := range cr.Certificates() {
		pair.WarnIfExpired(logger)
	}
	if c.Inspect == "on" {
		logger.Warn("the inspector is on: who may see the admin port sees all that clients and the backend say to each other, secrets included; turn it off when you have seen enough", "variable", "WS76_INSPECT")
	}
	host.WarnOfDescriptors(int(c.MaxConnections), logger)
	if c.LogLevel == "trace" {
		logger.Warn("payloads are logged at this level: what clients and backend say to each other", "variable", "WS76_LOG_LEVEL")
	}
	if c.TLSListen != "" && certs.OldTLS(c.TLSMinVersion) {
		logger.Warn("old tls is enabled for clients of 2010: versions below 1.2, cbc ciphers and rsa key exchange without forward secrecy; modern clients still use 1.3, but give them another port if you can", "variable", "WS76_TLS_MIN_VERSION")
	}
}

// backendHost returns the Host that the backend gets whoever asks; empty if it depends
// on the client or on the address. A Unix socket has no name of its own.
func backendHost(c *config.Config) string {
	switch {
	case c.BackendHost == "backend" && strings.HasPrefix(c.Backend.Address, "unix:"):
		return "localhost"
	case c.BackendHost == "preserve", c.BackendHost == "backend":
		return ""
	}
	return string(c.BackendHost)
}

func options(c *config.Config, cr certs.Credentials, logger hclog.Logger) translate.Options {
	return translate.Options{
		Backend:        modern.Dialer{Address: c.Backend.Address, TLS: cr.Backend},
		PathPrefix:     c.Backend.Prefix,
		PreserveHost:   c.BackendHost == "preserve",
		BackendHost:    backendHost(c),
		BackendDialect: legacy.Dialect(c.BackendDialect),
		BackendOrigin:  string(c.BackendOrigin),
		BackendLax:     c.BackendLax == "on",
		BinaryUp:       c.BinaryUp == "base64",
		KeepAliveText:  string(c.KeepaliveText),
		PublicURL:      c.PublicURL.URL,
		TrustedProxies: c.TrustedProxies,
		Dialects:       c.Dialects,
		Origins:        c.Origins,
		Binary:         c.Binary,
		Limits: translate.Limits{
			Message:              int64(c.MaxMessage),
			Skip:                 cmp.Or(int64(c.MaxSkip), math.MaxInt64),
			Head:                 int(c.MaxHead),
			Connections:          int(c.MaxConnections),
			ConnectionsPerClient: int(c.MaxConnectionsPerClient),
			HandshakesPerSecond:  int(c.MaxHandshakes),
		},
		Timeouts: translate.Timeouts{
			Head:      time.Duration(c.HeadTimeout),
			Dial:      time.Duration(c.DialTimeout),
			Key3:      time.Duration(c.Key3Timeout),
			Write:     time.Duration(c.WriteTimeout),
			Close:     time.Duration(c.CloseTimeout),
			Idle:      time.Duration(c.IdleTimeout),
			Ping:      time.Duration(c.PingInterval),
			KeepAlive: time.Duration(c.KeepaliveTimeout),
		},
		Logger: logger,
	}
}
