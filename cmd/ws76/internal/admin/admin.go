// Package admin is the port for operators: health, readiness, metrics and census.
package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/check"
	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/cmd/ws76/internal/inspect"
	"github.com/ws76/ws76/translate"
)

// A Server is the admin port.
type Server struct {
	server   *http.Server
	logger   hclog.Logger
	draining atomic.Bool // /readyz says so
	backend  *check.Monitor
}

// New returns a Server; it does nothing until it is started. The inspector may be nil.
func New(c *config.Config, gateway *translate.Gateway, backend *check.Monitor, metrics http.Handler, inspector *inspect.Inspector, logger hclog.Logger) *Server {
	s := &Server{logger: logger, backend: backend}
	s.server = &http.Server{
		Handler:           s.handler(c, censusHandler(gateway, c.Dialects), metrics, inspector),
		ReadHeaderTimeout: time.Duration(c.HeadTimeout),
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}
	return s
}

// A page is a path of the port.
type page struct {
	pattern, about string
	open           bool // to anybody who reaches the port
	stream         bool // its response may take long
	handler        http.Handler
}

func (s *Server) handler(c *config.Config, census, metrics http.Handler, inspector *inspect.Inspector) http.Handler {
	level := logLevel{s.logger}
	pages := []page{
		{"GET /healthz", "200 while the process serves", true, false, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })},
		{"GET /readyz", "200 while a new client would be served: the backend accepts connections, and no drain has begun", true, false, http.HandlerFunc(s.readyz)},
		{"GET /metrics", "for Prometheus", true, false, metrics},
		{"GET /census", "which clients still come with which dialect", false, false, census},
		{"GET /config", "every setting, secrets masked", false, false, http.HandlerFunc(writeConfig)},
		{"GET /log-level", "the level of the log", false, false, http.HandlerFunc(level.get)},
		{"PUT /log-level", "change it until the next restart: error, warn, info or debug", false, false, http.HandlerFunc(level.put)},
	}
	if c.Pprof == "on" {
		pages = append(pages,
			page{"GET /debug/pprof/", "profiles of the process", false, true, http.HandlerFunc(pprof.Index)},
			page{"GET /debug/pprof/profile", "a CPU profile of ?seconds=30", false, true, http.HandlerFunc(pprof.Profile)},
			page{"GET /debug/pprof/trace", "an execution trace of ?seconds=1", false, true, http.HandlerFunc(pprof.Trace)},
		)
	}
	if inspector != nil {
		pages = append(pages,
			page{"GET /inspect", "both sides of every WebSocket connection, live", false, false, http.HandlerFunc(inspector.Page)},
			page{"GET /inspect/events", "what that page shows, as server-sent events", false, true, http.HandlerFunc(inspector.Events)},
			page{"GET /inspect/export", "what that page shows, as JSON lines; credentials and queries masked, but with ?secrets=1", false, true, http.HandlerFunc(inspector.Export)},
		)
	}
	pages = append(pages, page{"GET /{$}", "this list", false, false, index(&pages)}, page{"/", "", false, false, http.NotFoundHandler()})
	d := deadline{body: time.Duration(c.HeadTimeout), write: time.Duration(c.WriteTimeout)}
	mux := http.NewServeMux()
	for _, p := range pages {
		h := p.handler
		if !p.open {
			h = restricted(string(c.AdminToken), h)
		}
		if p.stream {
			h = d.stream(h)
		} else {
			h = d.response(h)
		}
		mux.Handle(p.pattern, h)
	}
	return mux
}

// index lists the pages.
func index(pages *[]page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, p := range *pages {
			if p.about != "" {
				fmt.Fprintf(w, "%-26s %s\n", strings.ReplaceAll(p.pattern, "{$}", ""), p.about)
			}
		}
	})
}

// Start serves the port, if there is one; stop ends it.
func (s *Server) Start(ln net.Listener) (stop func()) {
	if ln == nil {
		return func() {}
	}
	go func() {
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("admin port failed", "error", err)
		}
	}()
	return func() { s.server.Close() }
}

// NotReady makes /readyz answer 503 from now on.
func (s *Server) NotReady() { s.draining.Store(true) }

// Draining reports whether NotReady was called.
func (s *Server) Draining() bool { return s.draining.Load() }

// readyz answers 200 while a new client would be served.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		http.Error(w, "draining: this gateway is shutting down", http.StatusServiceUnavailable)
		return
	}
	if err := s.backend.Err(); err != nil {
		http.Error(w, "WS76_BACKEND: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
