package translate

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
)

// An answer is what a plain request's client gets. Each write has the write
// timeout: a client that takes nothing would hold the backend's connection as
// well. net/http lifts the last deadline before the next request.
type answer struct {
	http.ResponseWriter
	gw   *Gateway
	r    *http.Request
	body *body // of the request; nil if it has none
	last bool  // on its connection
}

// due gives the client the time for one write from now on, if there is a
// connection that can tell the time.
func (a *answer) due() {
	http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(a.gw.options.Timeouts.Write))
}

// WriteHeader does not guess a Content-Type, as net/http would, and does not have
// the rest of the request read before an early answer: so the connection ends with
// it. Interim answers pass without the fields of the backend's connection, and not
// to clients of HTTP/1.0, which know none (RFC 9110 section 15.2).
func (a *answer) WriteHeader(status int) {
	h := a.Header()
	if status < http.StatusOK {
		if !a.r.ProtoAtLeast(1, 1) {
			return
		}
		dropOfConnection(h)
	} else {
		if _, said := h["Content-Type"]; !said {
			h["Content-Type"] = nil
		}
		if a.last || a.body != nil && !a.body.whole.Load() {
			h.Set("Connection", "close")
		}
	}
	a.due()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.due()
	n, err := a.ResponseWriter.Write(p)
	return n, a.slow(err)
}

// FlushError is what ResponseController calls.
func (a *answer) FlushError() error {
	a.due()
	return a.slow(http.NewResponseController(a.ResponseWriter).Flush())
}

// slow has a client in the log that did not take its answer. The connection is
// broken after the first time.
func (a *answer) slow(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.gw.logger.Info("answer not taken", "client", a.r.RemoteAddr, "path", hclog.Quote(a.r.URL.Path), "reason", string(ClientSlow))
	}
	return err
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
