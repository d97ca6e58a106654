package translate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	body   []byte // nil = the reason and its sentence
	detail string // for the log
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
func dialRefusal(err error) refusal {
	var refused *modern.RefusedError
	var failed *modern.DialError
	switch {
	case errors.As(err, &refused):
		return relay(refused.Response)
	case errors.As(err, &failed):
		return refusal{reason: Reason(failed.Reason), status: failed.Status(), detail: err.Error()}
	}
	return handshakeRefusal(err)
}

// relay takes over what a backend answered: status, all end-to-end fields, and
// up to maxBody bytes of the body.
func relay(resp *http.Response) refusal {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	header := endToEnd(resp.Header)
	delete(header, "Content-Length")
	if len(body) == 0 {
		body = nil
		delete(header, "Content-Type")
		delete(header, "Content-Encoding")
	} else if len(body) < minBody {
		body = append(body, bytes.Repeat([]byte(" "), minBody-len(body))...)
	}
	return refusal{reason: BackendRefused, status: resp.StatusCode, header: header, body: body, detail: resp.Status}
}

// refuse answers with HTTP and ends the connection: what a client has sent
// behind the head must never be taken for a request.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, d legacy.Dialect, ref refusal) {
	g.countRefused(d, ref.reason)
	g.logger.Warn("opening handshake refused", "dialect", d.String(), "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path),
		"status", ref.status, "reason", string(ref.reason), "error", hclog.Quote(ref.detail))
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, ref.text(), ref.status)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(g.options.Timeouts.Write))
	if err := ref.write(conn); err == nil {
		drain(bare(conn))
	}
}

// text says what is wrong in the word of the log and a sentence.
func (ref refusal) text() string {
	return fmt.Sprintf("%d %s: %s\n%s.\n", ref.status, http.StatusText(ref.status), ref.reason, ref.reason.Sentence())
}

func (ref refusal) write(w io.Writer) error {
	header := ref.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	body := ref.body
	if body == nil {
		body = []byte(ref.text())
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	resp := http.Response{
		StatusCode: ref.status, ProtoMajor: 1, ProtoMinor: 1, Header: header, Close: true,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	var out bytes.Buffer
	if err := resp.Write(&out); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// drain ends the gateway's half of the connection and waits for the client's.
func drain(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	conn.SetReadDeadline(time.Now().Add(linger))
	io.CopyN(io.Discard, conn, maxDrain)
}
