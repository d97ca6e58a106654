package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	c, err := loadConfig()
	if err != nil {
		return err
	}
	logger := newLogger(c, stderr)
	ln, err := listenEdge(c, logger.Named("edge"))
	if err != nil {
		return fmt.Errorf("WS76_LISTEN: %w", err)
	}
	gateway := translate.New(c.options(logger.Named("gateway")))
	admin, stopAdmin, err := startAdmin(c, gateway, logger.Named("admin"))
	if err != nil {
		ln.Close()
		return fmt.Errorf("WS76_ADMIN: %w", err)
	}
	defer stopAdmin()
	go keepMemorySmall(ctx, gateway)
	logger.Info("serving", "listen", ln.Addr().String(), "backend", c.Backend.Address, "admin", admin, "version", versionText())
	failed := make(chan error, 1)
	go func() { failed <- gateway.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", c.Listen, err)
	case <-ctx.Done():
		return drain(c, gateway, logger)
	}
}

// drain closes every connection in its dialect.
func drain(c *Config, gateway *translate.Gateway, logger hclog.Logger) error {
	open := 0
	for _, n := range gateway.Stats().Open {
		open += int(n)
	}
	logger.Info("draining", "connections", open, "seconds", time.Duration(c.DrainTimeout).Seconds())
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.DrainTimeout))
	defer cancel()
	if err := gateway.Shutdown(ctx); err != nil {
		return fmt.Errorf("drain: not every connection was closed within WS76_DRAIN_TIMEOUT=%s: %w", time.Duration(c.DrainTimeout), err)
	}
	logger.Info("drained", "connections", open)
	return nil
}

func newLogger(c *Config, w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "ws76", Level: c.LogLevel.Level(), Output: w, JSONFormat: c.LogFormat == "json",
	})
}

func (c *Config) options(logger hclog.Logger) translate.Options {
	o := translate.Options{
		Backend:        modern.Dialer{Address: c.Backend.Address},
		PathPrefix:     c.Backend.Prefix,
		PreserveHost:   c.BackendHost == "preserve",
		PublicURL:      c.PublicURL.URL,
		TrustedProxies: c.TrustedProxies,
		Dialects:       c.Dialects,
		Origins:        c.Origins,
		Binary:         translate.BinaryPolicy(c.Binary),
		MaxMessage:     int64(c.MaxMessage),
		MaxConnections: int(c.MaxConnections),
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
	if c.Backend.Secure {
		host, _, _ := net.SplitHostPort(c.Backend.Address)
		o.Backend.TLS = &tls.Config{ServerName: host}
	}
	return o
}

// startAdmin serves health on a port of its own and returns its address; stop
// ends that.
func startAdmin(c *Config, gateway *translate.Gateway, logger hclog.Logger) (address string, stop func(), err error) {
	if c.Admin == "" {
		return off, func() {}, nil
	}
	ln, err := net.Listen("tcp", string(c.Admin))
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{
		Handler:           adminHandler(gateway),
		ReadHeaderTimeout: time.Duration(c.HeadTimeout),
		ErrorLog:          logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}
	go func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("admin port failed", "error", err)
		}
	}()
	return ln.Addr().String(), func() { server.Close() }, nil
}
