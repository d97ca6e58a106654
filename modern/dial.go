package modern

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// maxAnswer bounds the head of a backend's answer.
const maxAnswer = 64 << 10

// A Dialer opens connections to one backend.
type Dialer struct {
	// Address is host:port.
	Address string
	// TLS is nil for a plain connection. Its ServerName must be set (or
	// InsecureSkipVerify): it is not taken from Address.
	TLS *tls.Config
}

// A Request is what the opening handshake towards the backend takes over from
// a client's.
type Request struct {
	Host   string
	Target string // path and query, sent byte for byte

	// Header is without Host, Connection and Upgrade. For Dial it is also without
	// the Sec-WebSocket fields, which Dial makes; for Forward it has those of the
	// client, Sec-WebSocket-Key and -Version: 13 at least.
	Header http.Header

	// Protocols are the subprotocols that Dial offers. Forward offers those in
	// Header.
	Protocols []string
}

// A Backend is an open connection to a backend.
type Backend struct {
	Conn     net.Conn
	Rest     []byte      // what the backend sent behind its 101
	Header   http.Header // of the 101
	Protocol string      // the subprotocol it selected; empty if none
}

// Dial connects and completes the opening handshake of RFC 6455. The context
// bounds both; when it ends, so does the dialling. The error is a
// *RefusedError, whose Response the caller must close, or a *DialError. The
// body of a refusal can be read until the context's deadline, or until another
// that is set with its SetReadDeadline.
func (d *Dialer) Dial(ctx context.Context, r Request) (*Backend, error) {
	return d.open(ctx, r, handshake)
}

// open connects and has the handshake done while the context lasts.
func (d *Dialer) open(ctx context.Context, r Request, handshake func(net.Conn, Request) (*Backend, error)) (*Backend, error) {
	conn, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	b, err := handshake(conn, r)
	if !stop() && err == nil {
		err = dialError(Unreachable, ctx.Err())
	}
	if refused := new(RefusedError); errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		conn.Close()
		return nil, cancelled(ctx, err)
	}
	conn.SetDeadline(time.Time{})
	return b, nil
}

// Connect opens a connection, with TLS if there is any, and does no opening
// handshake. The error is a *DialError.
func (d *Dialer) Connect(ctx context.Context) (net.Conn, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, cancelled(ctx, dialError(Unreachable, err))
	}
	return conn, nil
}

// connect does not use DialTCP, which would spare a literal address the way
// through the resolver: it binds the socket before it connects it, and then the
// kernel searches long for a port when most of them are in TIME_WAIT.
func (d *Dialer) connect(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}}
	conn, err := dialer.DialContext(ctx, "tcp", d.Address)
	if err != nil || d.TLS == nil {
		return conn, err
	}
	secure := tls.Client(conn, d.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// handshake is gorilla's, on a connection that shows it the head of the answer
// and nothing else. Gorilla does not see the context: it would set the deadline
// anew on a connection that a cancellation has just ended.
func handshake(conn net.Conn, r Request) (*Backend, error) {
	hc := &headConn{Conn: conn, target: r.Target, request: make([]byte, 0, 1024)}
	dialer := websocket.Dialer{
		NetDialContext:  func(context.Context, string, string) (net.Conn, error) { return hc, nil },
		Subprotocols:    r.Protocols,
		ReadBufferSize:  1024,
		WriteBufferSize: 16, // gorilla writes only the request, past this buffer
	}
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Host", r.Host)
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = []string{""} // or Go adds its own
	}
	_, resp, err := dialer.DialContext(context.Background(), "ws://backend/", header)
	switch {
	case err == nil:
		return accepted(hc, resp, r)
	case resp == nil:
		return nil, dialError(BadAnswer, err)
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, refused(hc)
	case errors.Is(err, websocket.ErrBadHandshake):
		return nil, &DialError{Reason: BadAnswer, Err: errWrongFields}
	}
	return nil, &DialError{Reason: UnofferedExtension, Err: err} // permessage-deflate, which gorilla looks into
}

var errWrongFields = errors.New("one of Upgrade, Connection and Sec-WebSocket-Accept is wrong")

// accepted checks what gorilla leaves to its caller.
func accepted(hc *headConn, resp *http.Response, r Request) (*Backend, error) {
	if ext := resp.Header["Sec-Websocket-Extensions"]; len(ext) > 0 {
		return nil, &DialError{Reason: UnofferedExtension, Err: fmt.Errorf("%.64q", ext)}
	}
	selected := resp.Header["Sec-Websocket-Protocol"]
	if len(selected) > 1 || len(selected) == 1 && !slices.Contains(r.Protocols, selected[0]) {
		return nil, &DialError{Reason: UnofferedSubprotocol, Err: fmt.Errorf("%.64q", selected)}
	}
	return &Backend{
		Conn:     hc.Conn,
		Rest:     bytes.Clone(hc.buf[hc.head:]),
		Header:   resp.Header,
		Protocol: resp.Header.Get("Sec-Websocket-Protocol"),
	}, nil
}

// refused reads the head once more, now with the body behind it.
func refused(hc *headConn) error {
	br := bufio.NewReader(io.MultiReader(bytes.NewReader(hc.buf), hc.Conn))
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return dialError(BadAnswer, err)
	}
	if resp.StatusCode < 100 {
		return &DialError{Reason: BadAnswer, Err: fmt.Errorf("status %q", resp.Status)}
	}
	resp.Body = refusalBody{resp.Body, hc.Conn}
	return &RefusedError{Response: resp}
}

// A refusalBody closes its connection.
type refusalBody struct {
	io.Reader
	conn net.Conn
}

func (b refusalBody) Close() error                      { return b.conn.Close() }
func (b refusalBody) SetReadDeadline(t time.Time) error { return b.conn.SetReadDeadline(t) }

// dialError tells a timeout, and the want of our own resources, from other
// causes.
func dialError(otherwise Reason, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		otherwise = DialTimeout
	}
	for _, want := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, want) {
			otherwise = Exhausted
		}
	}
	return &DialError{Reason: otherwise, Err: err}
}

// cancelled tells what a cancellation brought about, which looks like a timeout
// or a broken connection, from what went wrong by itself.
func cancelled(ctx context.Context, err error) error {
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return &DialError{Reason: Cancelled, Err: cause}
	}
	return err
}

// A headConn is the connection to a backend as gorilla's Dialer sees it: it
// sends the request target as the client spelt it, which a url.URL may not
// keep, and it ends where the head of the answer ends, so that nothing behind
// the head is lost in gorilla's buffer.
type headConn struct {
	net.Conn
	target  string
	request []byte // not sent yet
	buf     []byte
	head    int // end of the head in buf; 0 until it is complete
	given   int
}

// Write keeps the request until its answer is asked for.
func (c *headConn) Write(p []byte) (int, error) {
	c.request = append(c.request, p...)
	return len(p), nil
}

// WriteByte and WriteString are there for net/http, which would put a buffer in
// front of a Writer without them.
func (c *headConn) WriteByte(b byte) error {
	c.request = append(c.request, b)
	return nil
}

// WriteString is Write for a string.
func (c *headConn) WriteString(s string) (int, error) {
	c.request = append(c.request, s...)
	return len(s), nil
}

// send puts the target into the request line and sends the request.
func (c *headConn) send() error {
	request := c.request
	c.request = nil
	line := bytes.Index(request, []byte("\r\n"))
	_, err := c.Conn.Write(slices.Replace(request, 0, max(line, 0), fmt.Appendf(nil, "GET %s HTTP/1.1", c.target)...))
	return err
}

func (c *headConn) Read(p []byte) (int, error) {
	if c.request != nil {
		if err := c.send(); err != nil {
			return 0, err
		}
	}
	for c.head == 0 {
		if len(c.buf) >= maxAnswer {
			return 0, fmt.Errorf("the head of the answer is longer than %d bytes", maxAnswer)
		}
		c.buf = slices.Grow(c.buf, 1024)
		n, err := c.Conn.Read(c.buf[len(c.buf):min(cap(c.buf), maxAnswer)])
		c.buf = c.buf[:len(c.buf)+n]
		c.findHead()
		if err != nil && c.head == 0 {
			return 0, fmt.Errorf("%w after %d bytes of the answer", err, len(c.buf))
		}
	}
	if c.given == c.head {
		return 0, io.EOF
	}
	n := copy(p, c.buf[c.given:c.head])
	c.given += n
	return n, nil
}

// findHead looks for the end of the head and passes over interim answers, 1xx
// but not 101 (RFC 9110 section 15.2).
func (c *headConn) findHead() {
	for {
		end := HeadEnd(c.buf)
		if end == 0 {
			return
		}
		_, status, _ := bytes.Cut(c.buf, []byte(" "))
		if !bytes.HasPrefix(status, []byte("1")) || bytes.HasPrefix(status, []byte("101")) {
			c.head = end
			return
		}
		c.buf = c.buf[end:]
	}
}

// HeadEnd is the length of the head that b begins with, the blank line
// included; 0 if b does not hold all of it. A line may end with a bare LF, as
// net/http reads it (RFC 9112 section 2.2).
func HeadEnd(b []byte) int {
	for at := 0; ; {
		line := bytes.IndexByte(b[at:], '\n')
		if line < 0 {
			return 0
		}
		at += line + 1
		rest := bytes.TrimPrefix(b[at:], []byte("\r"))
		if len(rest) > 0 && rest[0] == '\n' {
			return len(b) - len(rest) + 1
		}
	}
}

// Close leaves the connection open: a refusal's body is still to be read.
func (c *headConn) Close() error { return nil }
