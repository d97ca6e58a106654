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
	"strings"
	"syscall"
	"time"
)

// maxResponseHead bounds the head of a backend's answer.
const maxResponseHead = 64 << 10

// A Dialer opens connections to one backend.
type Dialer struct {
	// Address is host:port, or unix: and the path of a socket.
	Address string
	// TLS is nil for a plain connection. Its ServerName must be set (or
	// InsecureSkipVerify): it is not taken from Address.
	TLS *tls.Config
	// Connected, if set, is called after each attempt to connect, with nil or a *DialError.
	Connected func(error)
	// Control, if set, sets the options of each socket before it connects
	// (net.Dialer.Control). Keep-alive is up to it, or to who uses the connection.
	Control func(network, address string, socket syscall.RawConn) error
	// Open, if set, returns a connection in the place of a socket to Address.
	Open func(context.Context) (net.Conn, error)
	// Wrap, if set, returns what is to be used in the place of each socket, below
	// TLS.
	Wrap func(net.Conn) net.Conn
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

	// Head, if set, is shown the head of the request as it is sent, and that of the
	// response as it was received. It must not keep them.
	Head func(sent bool, head []byte)
}

func (r *Request) show(sent bool, head []byte) {
	if r.Head != nil {
		r.Head(sent, head)
	}
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
	o := offer{key: newKey(), protocols: r.Protocols}
	return d.open(ctx, func(conn net.Conn) (*Backend, error) { return handshake(conn, r, o, r.Header, o.fields()) })
}

// Send connects and sends an opening handshake that is not RFC 6455's. If the backend
// responds with 101, check reads the response to its end; its errors are returned as
// they are, but those of the connection as a *DialError. Of the Backend it sets Conn,
// Rest and Header. The other errors are those of Dial.
func (d *Dialer) Send(ctx context.Context, request []byte, check func(*bufio.Reader) error) (*Backend, error) {
	return d.open(ctx, func(conn net.Conn) (*Backend, error) { return send(conn, request, check) })
}

func send(conn net.Conn, request []byte, check func(*bufio.Reader) error) (*Backend, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, dialError(BadResponse, err)
	}
	hc := &headConn{Conn: conn}
	resp, err := http.ReadResponse(bufio.NewReaderSize(hc, 1024), nil)
	if err != nil {
		return nil, dialError(BadResponse, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, refused(hc)
	}
	br := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(hc.buf), conn), len(hc.buf))
	if err := check(br); err != nil {
		if errors.As(err, new(interface{ Reason() string })) {
			return nil, err
		}
		return nil, dialError(BadResponse, err)
	}
	rest, _ := br.Peek(br.Buffered())
	return &Backend{Conn: conn, Rest: bytes.Clone(rest), Header: resp.Header}, nil
}

// open connects and calls handshake, which must end when the context does.
func (d *Dialer) open(ctx context.Context, handshake func(net.Conn) (*Backend, error)) (*Backend, error) {
	conn, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	b, err := handshake(conn)
	if !stop() && err == nil {
		err = dialError(Unreachable, ctx.Err())
	}
	if _, refused := errors.AsType[*RefusedError](err); refused {
		deadline, _ := ctx.Deadline()
		conn.SetDeadline(deadline)
		return nil, err
	}
	if err != nil {
		conn.Close()
		return nil, cancelled(ctx, err)
	}
	return b, nil
}

// Connect opens a connection, with TLS if there is any, and does no opening
// handshake. The error is a *DialError.
func (d *Dialer) Connect(ctx context.Context) (net.Conn, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		err = cancelled(ctx, dialError(Unreachable, err))
	}
	if d.Connected != nil {
		d.Connected(err)
	}
	return conn, err
}

// connect does not use DialTCP, which would spare a literal address the way
// through the resolver: it binds the socket before it connects it, and then the
// kernel searches long for a port when most of them are in TIME_WAIT.
func (d *Dialer) connect(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}}
	if d.Control != nil {
		dialer = net.Dialer{KeepAlive: -1, Control: d.Control}
	}
	network, address := "tcp", d.Address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	open := d.Open
	if open == nil {
		open = func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, network, address) }
	}
	conn, err := open(ctx)
	if err != nil {
		return nil, err
	}
	if d.Wrap != nil {
		conn = d.Wrap(conn)
	}
	if d.TLS == nil {
		return conn, nil
	}
	secure := tls.Client(conn, d.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// refused reads the head once more, now with the body behind it.
func refused(hc *headConn) error {
	br := bufio.NewReader(io.MultiReader(bytes.NewReader(hc.buf), hc.Conn))
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return dialError(BadResponse, err)
	}
	if resp.StatusCode < 100 {
		return &DialError{BadResponse, fmt.Errorf("status %q", resp.Status)}
	}
	if err := RepairNames(resp.Header); err != nil {
		return &DialError{BadResponse, err}
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
func dialError(otherwise string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		otherwise = DialTimeout
	}
	for _, want := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, want) {
			otherwise = Exhausted
		}
	}
	return &DialError{otherwise, err}
}

// cancelled replaces err with Cancelled if ctx was cancelled: the cancellation itself
// looks like a timeout or a broken connection.
func cancelled(ctx context.Context, err error) error {
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return &DialError{Cancelled, cause}
	}
	return err
}

// A headConn is the connection to a backend while the head of the answer is read: it
// ends where the head ends, so that nothing behind it is lost in a buffer.
type headConn struct {
	net.Conn
	asked Request
	buf   []byte
	head  int // end of the head in buf; 0 until it is complete
	given int
}

func (c *headConn) Read(p []byte) (int, error) {
	for c.head == 0 {
		if len(c.buf) >= maxResponseHead {
			return 0, fmt.Errorf("the head of the answer is longer than %d bytes", maxResponseHead)
		}
		c.buf = slices.Grow(c.buf, 1024)
		n, err := c.Conn.Read(c.buf[len(c.buf):min(cap(c.buf), maxResponseHead)])
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
			c.asked.show(false, c.buf[:end])
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
