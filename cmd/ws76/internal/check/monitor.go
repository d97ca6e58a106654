package check

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/modern"
)

const (
	// fresh is how long a result is reused.
	fresh = time.Second
	// patience is how long connecting to the backend may take when nobody waits for it.
	patience = 2 * time.Second
)

// A Monitor knows whether the backend accepts connections: from those that are made to
// it, and, if that was long ago, by making one. It logs when the backend goes and when it
// comes back.
type Monitor struct {
	dialer modern.Dialer
	logger hclog.Logger

	asking sync.Mutex // one connection at a time

	mu   sync.Mutex
	at   time.Time // of the result
	down error
}

// NewMonitor returns a Monitor that connects with the dialer.
func NewMonitor(dialer modern.Dialer, logger hclog.Logger) *Monitor {
	return &Monitor{dialer: dialer, logger: logger}
}

// Connected takes note of a connection to the backend that was tried.
func (m *Monitor) Connected(err error) {
	if failed, ok := errors.AsType[*modern.DialError](err); ok && (failed.Reason() == modern.Cancelled || failed.Reason() == modern.Exhausted) {
		return // which is not the backend's fault
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.down
	m.at, m.down = time.Now(), err
	switch {
	case err != nil && before == nil:
		m.logger.Warn("backend is down", "backend", m.dialer.Address, "error", err, "change", Hint(m.dialer.Address, err))
	case err == nil && before != nil:
		m.logger.Warn("backend is back", "backend", m.dialer.Address)
	}
}

// Err is nil if the backend accepts connections. It is asked at most once a second.
func (m *Monitor) Err() error {
	m.asking.Lock()
	defer m.asking.Unlock()
	if err, known := m.known(); known {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := m.dialer.Connect(ctx)
	if err == nil {
		conn.Close()
	}
	m.Connected(err)
	return err
}

func (m *Monitor) known() (err error, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down, !m.at.IsZero() && time.Since(m.at) < fresh
}
