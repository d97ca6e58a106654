package logging

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// sampleEvery is how long a warning that was logged stands for others like it.
	sampleEvery = time.Minute
	// maxClients is how many clients are told apart in that time.
	maxClients = 100
)

// A sampler logs the first of warnings that differ in their clients only, and then one a
// minute for all of them. What clients can cause must not fill the log.
type sampler struct {
	mu    sync.Mutex
	kinds map[kind]*repeats
}

// A kind of warning has no value that a client can make up.
type kind struct{ logger, message, reason, dialect, fault string }

// repeats are the warnings of a kind since one was logged.
type repeats struct {
	log     func(args ...any)
	timer   *time.Timer
	count   int
	clients map[string]bool
	args    []any // of the latest
}

// warn logs a warning now or later.
func (s *sampler) warn(k kind, client string, args []any, log func(args ...any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.kinds[k]; r != nil {
		r.count++
		r.args = args
		if client != "" && len(r.clients) < maxClients {
			r.clients[client] = true
		}
		return
	}
	log(args...)
	r := &repeats{log: log, clients: map[string]bool{}}
	r.timer = time.AfterFunc(sampleEvery, func() { s.due(k) })
	s.kinds[k] = r
}

// due logs what was held back for a minute, and forgets the kind if there was nothing.
func (s *sampler) due(k kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.kinds[k]
	if r == nil {
		return
	}
	if r.count == 0 {
		delete(s.kinds, k)
		return
	}
	r.tell()
	r.timer.Reset(sampleEvery)
}

// tell logs one line for the warnings that were held back.
func (r *repeats) tell() {
	args := append(r.args[:len(r.args):len(r.args)], "repeated", r.count)
	if len(r.clients) > 0 {
		args = append(args, "clients", len(r.clients))
	}
	r.log(args...)
	r.count, r.clients = 0, map[string]bool{}
}

// flush logs all that was held back.
func (s *sampler) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, r := range s.kinds {
		r.timer.Stop()
		if r.count > 0 {
			r.tell()
		}
		delete(s.kinds, k)
	}
}

// A sampledLogger samples warnings about clients, and says of each line with a reason
// what to change.
type sampledLogger struct {
	hclog.Logger
	sampler *sampler
	backend string // WS76_BACKEND, host:port
}

func (l sampledLogger) Warn(message string, args ...any) { l.Log(hclog.Warn, message, args...) }
func (l sampledLogger) Info(message string, args ...any) { l.Log(hclog.Info, message, args...) }

func (l sampledLogger) Log(level hclog.Level, message string, args ...any) {
	if level < l.GetLevel() {
		return
	}
	if change := remedy(args, l.backend); change != "" {
		args = append(args[:len(args):len(args)], "change", change)
	}
	reason := text(args, "reason")
	if reason == "backend-bad-answer" {
		args = hideError(args)
	}
	client := hostOf(text(args, "client"))
	if forwarded := text(args, "forwarded_for"); forwarded != "" {
		client = forwarded
	}
	if level != hclog.Warn || client == "" {
		l.Logger.Log(level, message, args...)
		return
	}
	l.sampled(kind{l.Name(), message, reason, text(args, "dialect"), text(args, "fault") + text(args, "slip")}, client, message, args)
}

// sampled logs a warning of a kind now or later.
func (l sampledLogger) sampled(k kind, client, message string, args []any) {
	l.sampler.warn(k, client, args, func(args ...any) { l.Logger.Log(hclog.Warn, message, args...) })
}

// hostOf returns an address without its port.
func hostOf(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil {
		return at.Addr().String()
	}
	return address
}

// hideError hides in the error of a line what it quotes of a backend's response.
func hideError(args []any) []any {
	args = slices.Clone(args)
	for i := 1; i < len(args); i += 2 {
		if err, ok := args[i].(error); ok {
			args[i] = hiddenError{err}
		}
	}
	return args
}

func (l sampledLogger) Named(name string) hclog.Logger {
	l.Logger = l.Logger.Named(name)
	return l
}

// text returns the value of a key, empty if there is none.
func text(args []any, key string) string {
	switch v := value(args, key).(type) {
	case string:
		return v
	case hclog.Quote:
		return string(v)
	}
	return ""
}

func value(args []any, key string) any {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == key {
			return args[i+1]
		}
	}
	return nil
}
