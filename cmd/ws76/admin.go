package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

const (
	// backendFresh is how long an answer about the backend is given again.
	backendFresh = time.Second
	// backendWait is how long the backend is waited for to find one.
	backendWait = 2 * time.Second
)

// An admin is the port for those who run the gateway.
type admin struct {
	server   *http.Server
	logger   hclog.Logger
	draining atomic.Bool
	backend  backendCheck
}

func newAdmin(c *Config, cr credentials, p ports, gateway *translate.Gateway, logger hclog.Logger) *admin {
	a := &admin{logger: logger, backend: backendCheck{dialer: modern.Dialer{Address: c.Backend.Address, TLS: cr.backend}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("GET /metrics", metricsHandler(&collector{gateway, cr, p.refused, &a.draining}))
	mux.Handle("GET /census", censusHandler(gateway, c.Dialects))
	a.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: time.Duration(c.HeadTimeout),
		WriteTimeout:      time.Duration(c.WriteTimeout),
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}
	return a
}

// start serves the port, if there is one; stop ends that.
func (a *admin) start(ln net.Listener) (stop func()) {
	if ln == nil {
		return func() {}
	}
	go func() {
		if err := a.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.logger.Error("admin port failed", "error", err)
		}
	}()
	return func() { a.server.Close() }
}

// notReady has /readyz say so from now on.
func (a *admin) notReady() { a.draining.Store(true) }

// readyz answers 200 while a client that comes now would be served.
func (a *admin) readyz(w http.ResponseWriter, _ *http.Request) {
	if a.draining.Load() {
		http.Error(w, "draining: this gateway is shutting down", http.StatusServiceUnavailable)
		return
	}
	if err := a.backend.check(); err != nil {
		http.Error(w, "WS76_BACKEND: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// A backendCheck knows whether the backend can be connected to.
type backendCheck struct {
	dialer modern.Dialer

	mu    sync.Mutex
	asked time.Time
	err   error
}

func (b *backendCheck) check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.asked.IsZero() && time.Since(b.asked) < backendFresh {
		return b.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), backendWait)
	defer cancel()
	conn, err := b.dialer.Connect(ctx)
	if err == nil {
		conn.Close()
	}
	b.asked, b.err = time.Now(), err
	return err
}
