// Package logging makes the log of the process.
package logging

import (
	"errors"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// A Log is the log of the process.
type Log struct {
	hclog.Logger
	queue   *Queue // nil if the log is written at once
	sampler *sampler
}

// Flush writes what was held back because it repeats.
func (l Log) Flush() { l.sampler.flush() }

// Lost is how many lines have been dropped because nobody read them in time.
func (l Log) Lost() int64 {
	if l.queue == nil {
		return 0
	}
	return l.queue.Lost()
}

// New returns a log that goes to w. The log package writes to it too, which net/http
// uses where it cannot be given a logger. If w is a Queue, the log says how many lines it
// lost.
func New(c *config.Config, w io.Writer) Log {
	options := hclog.LoggerOptions{Name: "ws76", Level: hclog.LevelFromString(c.LogLevel), Output: w, JSONFormat: c.LogFormat == "json"}
	q, _ := w.(*Queue)
	if q != nil {
		q.setNotice(func(to io.Writer, lines int64) {
			notice := options
			notice.Output, notice.Level = to, hclog.Warn
			hclog.New(&notice).Warn("log lines lost because nobody read them in time", "lines", lines)
		})
	}
	logger := hclog.New(&options)
	s := &sampler{kinds: map[kind]*repeats{}}
	sampled := sampledLogger{logger, s, c.Backend.Address}
	takeOver(sampled.Named("http"))
	return Log{sampled, q, s}
}

// JSONError writes an error as lines of a JSON log, one for each variable that is wrong.
func JSONError(w io.Writer, err error) {
	logger := hclog.New(&hclog.LoggerOptions{Name: "ws76", Output: w, JSONFormat: true})
	var problems config.Errors
	if !errors.As(err, &problems) {
		logger.Error("ended with an error", "error", err)
		return
	}
	for _, p := range problems {
		logger.Error("configuration error", "variable", p.Variable(), "value", p.Value(), "error", p.Unwrap())
	}
}
