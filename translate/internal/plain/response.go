package plain

import (
	"errors"
	"net/http"
	"os"

	"github.com/ws76/ws76/translate/internal/forward"
)

// A responseWriter writes the response to a request. The connection has the write
// timeout: a client that reads nothing would hold the backend's connection as well.
type responseWriter struct {
	http.ResponseWriter
	*exchange
}

// WriteHeader keeps net/http from guessing a Content-Type, and from reading the rest
// of the request before an early response, which therefore closes the connection.
// Interim responses pass without the hop-by-hop fields of the backend, and not to
// clients of HTTP/1.0, which do not know them (RFC 9110 section 15.2).
func (w *responseWriter) WriteHeader(status int) {
	h := w.Header()
	if status < http.StatusOK {
		if !w.r.ProtoAtLeast(1, 1) {
			return
		}
		forward.RemoveHopByHop(h)
	} else {
		if _, said := h["Content-Type"]; !said {
			h["Content-Type"] = nil
		}
		if w.target.Last || w.body != nil && !w.body.whole.Load() {
			h.Set("Connection", "close")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	return n, w.logTimeout(err)
}

// FlushError implements what http.ResponseController calls.
func (w *responseWriter) FlushError() error {
	return w.logTimeout(http.NewResponseController(w.ResponseWriter).Flush())
}

// logTimeout logs a client that did not read its response in time, and returns err.
// The connection is broken after the first time.
func (w *responseWriter) logTimeout(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.proxy.config.Log(w.r, Slow)
	}
	return err
}

func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
