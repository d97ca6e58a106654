package logging

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// A gate is a writer that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.Write(p)
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.String()
}

// take returns what was written since the last time.
func (g *gate) take() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.got.Reset()
	return g.got.String()
}

// A reader that does not read stops nobody: 1 MiB waits, the rest is dropped, and the
// next line that fits says how many lines.
func TestLogThatNobodyReads(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			g := &gate{open: make(chan struct{})}
			q := NewQueue(g)
			logger := New(&config.Config{LogLevel: "info", LogFormat: format}, q)
			line := strings.Repeat("x", 1000)
			const lines = 3000 // of more than 1,000 bytes
			for range lines {
				logger.Info("full", "line", line)
			}
			lost := q.Lost()
			if kept := lines - lost; kept*1000 > maxQueued || kept < 900 {
				t.Errorf("%d of %d lines were kept", kept, lines)
			}
			close(g.open)
			q.Flush(time.Minute)
			logger.Info("the reader is back")
			q.Flush(time.Minute)
			got := g.String()
			if n := int64(strings.Count(got, line)); n != lines-lost {
				t.Errorf("%d lines arrived, want %d", n, lines-lost)
			}
			notice := map[string]string{"text": fmt.Sprintf("lines=%d\n", lost), "json": fmt.Sprintf(`"lines":%d}`, lost)}[format]
			i, j := strings.Index(got, notice), strings.Index(got, "the reader is back")
			if i < 0 || j < i {
				t.Errorf("no %q before the next line: %q", notice, got[len(got)-400:])
			}
			logger.Info("again")
			q.Flush(time.Minute)
			if strings.Count(g.String(), "log lines lost") != 1 {
				t.Error("the loss is told more than once")
			}
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// What a closed pipe refuses is counted.
func TestLogThatBreaks(t *testing.T) {
	q := NewQueue(broken{})
	for range 3 {
		fmt.Fprintln(q, "a line")
		q.Flush(time.Minute)
	}
	if got := q.Lost(); got != 3 {
		t.Errorf("%d lines lost, want 3", got)
	}
}

// The end waits for the log for a second, and not for ever.
func TestFlushIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		q := &Queue{w: g}
		q.changed = sync.NewCond(&q.mu)
		fmt.Fprintln(q, "a line") // nothing passes it on
		began := time.Now()
		q.Flush(time.Second)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v, want 1s", took)
		}
	})
}
