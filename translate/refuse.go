package translate

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

const (
	// minBody is the shortest body of a refusal: Chromium's -76 shows a status
	// only once 16 bytes have come behind the head.
	minBody = 16
	// maxBody is how much of a backend's refusal is relayed.
	maxBody = 64 << 10
	// maxDrain is how much a refused client may still send before the socket
	// is closed. Closing with bytes unread would reset the connection, and the
	// refusal would be lost.
	maxDrain = 64 << 10
)

// A refusal is an answer other than 101.
type refusal struct {
	reason Reason
	status int
	header http.Header
	body   io.ReadCloser // nil = the reason and its sentence
	length int64         // of the body; -1 = until it ends
	detail string        // for the log
	plain  bool          // it is of a request, not of an opening handshake
}

func handshakeRefusal(err error) refusal {
	var e *legacy.HandshakeError
	if !errors.As(err, &e) {
		return refusal{reason: ClientLeft, status: http.StatusBadRequest, detail: err.Error()}
	}
	return refusal{reason: Reason(e.Reason), status: e.Status(), header: e.Header(), detail: e.Detail}
}

// dialRefusal is for a client whose backend did not answer 101: the backend's
// own answer if there is one.
func dialRefusal(d legacy.Dialect, err error) refusal {
	var refused *modern.RefusedError
	var failed *modern.DialError
	switch {
	case errors.As(err, &refused):
		return relay(d, refused.Response)
	case errors.As(err, &failed):
		ref := refusal{reason: Reason(failed.Reason), status: failed.Status(), detail: err.Error()}
		if ref.status == http.StatusServiceUnavailable {
			ref.header = retryAfter.Clone()
		}
		return ref
	}
	return handshakeRefusal(err)
}

// relay takes over what a backend answered: status, all end-to-end fields, and
// the body, of which a legacy client gets at least minBody and at most maxBody
// bytes.
func relay(d legacy.Dialect, resp *http.Response) refusal {
	ref := refusal{reason: BackendRefused, status: resp.StatusCode, header: endToEnd(resp.Header), body: resp.Body, length: resp.ContentLength, detail: resp.Status}
	delete(ref.header, "Content-Length")
	if !d.Legacy() {
		return ref
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	resp.Body.Close()
	if len(body) == 0 {
		delete(ref.header, "Content-Type")
		delete(ref.header, "Content-Encoding")
		ref.body = nil
		return ref
	}
	body = append(body, bytes.Repeat([]byte(" "), max(0, minBody-len(body)))...)
	ref.body, ref.length = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return ref
}

// refuse answers with HTTP and ends the connection: what a client has sent
// behind the head must never be taken for a request.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, d legacy.Dialect, ref refusal) {
	g.count(func(s *Stats) { s.refused(d, ref.reason) })
	level, what := hclog.Warn, "opening handshake refused"
	switch {
	case ref.plain:
		level, what = hclog.Info, "request refused"
	case ref.reason == BackendRefused:
		level = hclog.Info
	}
	g.logger.Log(level, what, "dialect", d.String(), "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path),
		"status", ref.status, "reason", string(ref.reason), "error", hclog.Quote(ref.detail))
	if ref.body != nil {
		defer ref.body.Close()
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, ref.text(), ref.status)
		return
	}
	defer conn.Close()
	g.sendRefusal(conn, ref)
}

// sendRefusal sends a refusal and hears the client out.
func (g *Gateway) sendRefusal(conn net.Conn, ref refusal) {
	if err := ref.write(conn, &g.options.Timeouts); err == nil {
		drain(conn)
	}
}

// unread are the reasons for what net/http refuses before it is a request.
var unread = map[int]Reason{
	http.StatusBadRequest:                  BadRequest,
	http.StatusExpectationFailed:           BadExpectation,
	http.StatusRequestHeaderFieldsTooLarge: HeadTooLarge,
	http.StatusNotImplemented:              BadTransferCoding,
	http.StatusHTTPVersionNotSupported:     Reason(legacy.HTTPVersion),
}

// refuseUnread answers in the place of net/http, and in the way of all
// refusals; it is false if the answer is none that net/http has for what it
// cannot read.
func (g *Gateway) refuseUnread(conn *headConn, answer []byte) bool {
	line, _, _ := strings.Cut(string(answer), "\r\n")
	var status int
	if _, err := fmt.Sscanf(line, "HTTP/1.1 %d ", &status); err != nil || unread[status] == "" {
		return false
	}
	detail := strings.TrimPrefix(line, fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)))
	ref := refusal{reason: unread[status], status: status, detail: cmp.Or(conn.stranger(), strings.TrimPrefix(detail, ": "))}
	g.count(func(s *Stats) { s.refused(legacy.HTTP, ref.reason) })
	g.logger.Info("request refused", "client", conn.RemoteAddr().String(), "status", status, "reason", string(ref.reason), "error", hclog.Quote(ref.detail))
	g.sendRefusal(conn.Conn, ref)
	return true
}

// text says what is wrong in the word of the log and a sentence.
func (ref refusal) text() string {
	return fmt.Sprintf("%d %s: %s\n%s.\n", ref.status, http.StatusText(ref.status), ref.reason, ref.reason.Sentence())
}

// write sends the refusal, which is the last answer on the connection. Each write
// has the write timeout, and each part of a backend's body the dial timeout to come;
// a body that breaks off is seen to be one.
func (ref refusal) write(conn net.Conn, limits *Timeouts) error {
	header := ref.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	out := bufio.NewWriter(timedWriter{conn, limits.Write})
	resp := http.Response{StatusCode: ref.status, ProtoMajor: 1, ProtoMinor: 1, Header: header, Close: true, ContentLength: ref.length}
	switch {
	case ref.body != nil:
		resp.Body = relayedBody{ref.body, out, limits.Dial}
		if ref.length < 0 {
			resp.TransferEncoding = []string{"chunked"}
		}
	case ref.status == http.StatusNoContent, ref.status == http.StatusNotModified:
		resp.Body, resp.ContentLength = http.NoBody, 0 // a front would take one for the next answer
	default:
		text := ref.text()
		header.Set("Content-Type", "text/plain; charset=utf-8")
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
	resp.Write(struct{ io.Writer }{out}) // not out itself, which the body flushes; its error comes back from Flush
	return out.Flush()
}

// A timedWriter gives each write its time.
type timedWriter struct {
	net.Conn
	timeout time.Duration
}

func (w timedWriter) Write(p []byte) (int, error) {
	w.SetWriteDeadline(time.Now().Add(w.timeout))
	return w.Conn.Write(p)
}

// A relayedBody has what has come of it sent before it waits for more.
type relayedBody struct {
	io.ReadCloser
	out     *bufio.Writer
	timeout time.Duration
}

func (b relayedBody) Read(p []byte) (int, error) {
	if err := b.out.Flush(); err != nil {
		return 0, err
	}
	if timed, ok := b.ReadCloser.(interface{ SetReadDeadline(time.Time) error }); ok {
		timed.SetReadDeadline(time.Now().Add(b.timeout))
	}
	return b.ReadCloser.Read(p)
}

// drain ends the gateway's half of the connection and waits for the client's.
func drain(c net.Conn) {
	conn, _ := bare(c)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	conn.SetReadDeadline(time.Now().Add(linger))
	io.CopyN(io.Discard, conn, maxDrain)
}
