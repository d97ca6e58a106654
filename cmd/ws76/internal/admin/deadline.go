package admin

import (
	"net/http"
	"time"
)

// A deadline bounds how long a request's body may take to come, and its response to be
// read. A timeout of the whole server would end streams.
type deadline struct {
	body, write time.Duration
}

// response bounds a handler's whole response.
func (d deadline) response(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := d.begin(w, r)
		c.SetWriteDeadline(time.Now().Add(d.write))
		next.ServeHTTP(w, r)
	})
}

// stream bounds each write of a handler that writes for as long as it likes.
func (d deadline) stream(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := d.begin(w, r)
		next.ServeHTTP(&streamWriter{w, c, d.write}, r)
		c.SetWriteDeadline(time.Now().Add(d.write)) // for what net/http has not sent yet
	})
}

// begin bounds the body. If there is one that most handlers do not read, the response
// does not wait for it, and the connection ends.
func (d deadline) begin(w http.ResponseWriter, r *http.Request) *http.ResponseController {
	c := http.NewResponseController(w)
	if r.ContentLength != 0 { // else net/http reads on only to see whether the client leaves, for as long as the handler takes
		c.SetReadDeadline(time.Now().Add(d.body))
	}
	if r.ContentLength != 0 && r.Method != http.MethodPut {
		w.Header().Set("Connection", "close")
	}
	return c
}

// A streamWriter extends the deadline with each write.
type streamWriter struct {
	http.ResponseWriter
	controller *http.ResponseController
	timeout    time.Duration
}

func (w *streamWriter) Write(p []byte) (int, error) {
	w.controller.SetWriteDeadline(time.Now().Add(w.timeout))
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the connection below.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
