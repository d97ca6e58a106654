// Package response writes responses that end an opening handshake without a 101: those
// of the gateway itself, and the backend's, relayed.
package response

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ws76/ws76/modern"
)

const (
	// drainTimeout is how long a client that was refused may go on.
	drainTimeout = time.Second
	// maxDrain is how much a refused client may still send before the socket
	// is closed. Closing with bytes unread would reset the connection, and the
	// response would be lost.
	maxDrain = 64 << 10
)

// A Response is written by Write or Respond, once.
type Response struct {
	Status int
	Header http.Header
	Phrase string        // of the status line; empty = net/http's
	Body   io.ReadCloser // nil = none
	Length int64         // of the body; -1 = until it ends
	Cut    bool          // the body is not whole
}

// SetText makes text the body, unless responses with this status have none: a proxy would
// take one for the next response.
func (r *Response) SetText(text string) {
	r.Header = maps.Clone(r.Header)
	r.Body, r.Length = http.NoBody, 0
	if r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		return
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.Body, r.Length = io.NopCloser(strings.NewReader(text)), int64(len(text))
}

// Write writes the response, which is the last on the connection. Each part of a backend's
// body may take timeout to come; a body that breaks off is seen to do so. The caller limits
// the writes.
func (r *Response) Write(w io.Writer, timeout time.Duration) error {
	out := bufio.NewWriter(w)
	resp := http.Response{
		Status: r.Phrase, StatusCode: r.Status, ProtoMajor: 1, ProtoMinor: 1, Header: modern.SpellFields(r.Header), Close: true,
		Body: io.NopCloser(timedReader{r.Body, out.Flush, timeout}), ContentLength: r.Length,
	}
	switch {
	case r.Length < 0:
		resp.TransferEncoding = []string{"chunked"}
	case r.Body == http.NoBody:
		resp.Body = http.NoBody
	}
	resp.Write(struct{ io.Writer }{out}) // not out itself, which the body flushes; its error comes back from Flush
	return out.Flush()
}

// WriteLast writes the response to w, as Write does, and drains the connection below.
func (r *Response) WriteLast(w io.Writer, conn net.Conn, timeout time.Duration) error {
	err := r.Write(w, timeout)
	if err == nil {
		Drain(conn)
	}
	return err
}

// Respond writes the response on a connection that goes on. After an error the caller must
// end the connection, because the body has broken off. The phrase is the caller's to set.
func (r *Response) Respond(w http.ResponseWriter, timeout time.Duration) error {
	maps.Copy(w.Header(), modern.SpellFields(r.Header))
	if _, said := r.Header["Content-Type"]; !said {
		w.Header()["Content-Type"] = nil // or net/http would guess one
	}
	if r.Length >= 0 && r.Body != http.NoBody {
		w.Header().Set("Content-Length", strconv.FormatInt(r.Length, 10))
	}
	w.WriteHeader(r.Status)
	_, err := io.Copy(struct{ io.Writer }{w}, timedReader{r.Body, http.NewResponseController(w).Flush, timeout})
	return err
}

// A timedReader sends what has been read of a body before it waits for more, and gives a
// backend its time for each part.
type timedReader struct {
	io.Reader
	flush   func() error
	timeout time.Duration
}

func (t timedReader) Read(p []byte) (int, error) {
	if err := t.flush(); err != nil {
		return 0, err
	}
	if timed, ok := t.Reader.(interface{ SetReadDeadline(time.Time) error }); ok {
		timed.SetReadDeadline(time.Now().Add(t.timeout))
	}
	return t.Reader.Read(p)
}

// Drain ends the gateway's half of the connection and waits for the other side's.
func Drain(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	conn.SetReadDeadline(time.Now().Add(drainTimeout))
	io.CopyN(io.Discard, conn, maxDrain)
}
