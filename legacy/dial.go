package legacy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
)

// maxAnswer bounds the head of an answer that a client reads.
const maxAnswer = 16 << 10

// A Request is the opening handshake of a client, the other role of the wire.
// NewRequest fills in what a browser would; every field may be changed before
// it is sent.
type Request struct {
	Dialect  Dialect
	Secure   bool   // the connection is TLS
	Host     string // host, and port unless it is the scheme's own
	Resource string // path and query
	Origin   string
	Protocol string // subprotocol, one string; empty to ask for none
	Cookie   string
	Declare  bool // announce key3 as Content-Length: 8
	Key1     string
	Key2     string
	Key3     [8]byte
}

// NewRequest makes the request of a -75 or -76 client for a ws or wss URL,
// with the URL's own origin and fresh keys.
func NewRequest(d Dialect, u *url.URL) *Request {
	r := &Request{Dialect: d, Secure: u.Scheme == "wss", Resource: u.RequestURI()}
	r.Host = strings.TrimPrefix(Location(r.Secure, u.Host, ""), u.Scheme+"://")
	r.Origin = "http" + strings.TrimPrefix(u.Scheme, "ws") + "://" + r.Host
	if d == Hixie76 {
		r.Key1, r.Key2, r.Key3 = MakeKey(), MakeKey(), MakeKey3()
	}
	return r
}

// AppendHead appends the request up to its blank line in the order of WebKit.
func (r *Request) AppendHead(dst []byte) []byte {
	dst = fmt.Appendf(dst, "GET %s HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n", r.Resource)
	dst = appendField(dst, "Host", r.Host)
	if r.Origin != "" {
		dst = appendField(dst, "Origin", r.Origin)
	}
	if r.Protocol != "" {
		dst = appendField(dst, r.prefix()+"Protocol", r.Protocol)
	}
	if r.Cookie != "" {
		dst = appendField(dst, "Cookie", r.Cookie)
	}
	if r.Dialect == Hixie76 {
		if r.Declare {
			dst = appendField(dst, "Content-Length", "8")
		}
		dst = appendField(dst, "Sec-WebSocket-Key1", r.Key1)
		dst = appendField(dst, "Sec-WebSocket-Key2", r.Key2)
	}
	return append(dst, "\r\n"...)
}

func (r *Request) prefix() string {
	if r.Dialect == Hixie75 {
		return "WebSocket-"
	}
	return "Sec-WebSocket-"
}

// Open sends the request, key3 in the same write as the head, and checks the
// answer as the strictest browsers do. It sets no deadline; the caller can.
// The error is a *HandshakeError with Reason BadAnswer, or one of the
// connection.
func (r *Request) Open(conn net.Conn) (*Conn, error) {
	out := r.AppendHead(nil)
	if r.Dialect == Hixie76 {
		out = append(out, r.Key3[:]...)
	}
	if _, err := conn.Write(out); err != nil {
		return nil, err
	}
	br := bufio.NewReader(conn)
	if err := r.ReadAnswer(br); err != nil {
		return nil, err
	}
	return NewConn(conn, br, r.Dialect), nil
}

// ReadAnswer reads the answer from br, to the end of the challenge response,
// and checks it: status line, Upgrade, Connection, origin, location,
// subprotocol, the 16 bytes. As in the browsers, -76 compares Connection
// without its case and as a whole, and all else to the byte; -75 compares the
// first three lines to the byte.
func (r *Request) ReadAnswer(br *bufio.Reader) error {
	head, err := ReadHead(br)
	if err != nil {
		return err
	}
	if err := r.checkHead(head); err != nil || r.Dialect == Hixie75 {
		return err
	}
	want, err := r.response()
	if err != nil {
		return err
	}
	var got [16]byte
	if _, err := io.ReadFull(br, got[:]); err != nil {
		return fmt.Errorf("read challenge response: %w", err)
	}
	if got != want {
		return refuse(BadAnswer, fmt.Sprintf("challenge response %x, not %x", got, want))
	}
	return nil
}

func (r *Request) response() ([16]byte, error) {
	key1, err1 := ParseKey(r.Key1)
	key2, err2 := ParseKey(r.Key2)
	return Response(key1, key2, r.Key3), errors.Join(err1, err2)
}

// ReadHead reads the head of an answer, its blank line included.
func ReadHead(br *bufio.Reader) ([]byte, error) {
	var head []byte
	for len(head) < maxAnswer {
		line, err := br.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("read answer after %.64q: %w", head, err)
		}
		if bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			return head, nil
		}
	}
	return nil, refuse(BadAnswer, "a head of over 16 KiB")
}

func (r *Request) checkHead(head []byte) error {
	status, rest, _ := strings.Cut(string(head), "\r\n")
	if r.Dialect == Hixie75 {
		const want = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
		if !bytes.HasPrefix(head, []byte(want)) {
			return refuse(BadAnswer, status)
		}
	} else if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return refuse(BadAnswer, status)
	}
	fields := map[string]string{}
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if _, again := fields[name]; ok && !again {
			fields[name] = strings.TrimPrefix(value, " ")
		}
	}
	prefix := strings.ToLower(r.prefix())
	for _, want := range []struct {
		name, value string
		anyCase     bool
	}{
		{name: "upgrade", value: "WebSocket"},
		{name: "connection", value: "Upgrade", anyCase: true},
		{name: prefix + "origin", value: r.Origin},
		{name: prefix + "location", value: Location(r.Secure, r.Host, r.Resource)},
		{name: prefix + "protocol", value: r.Protocol},
	} {
		if got := fields[want.name]; got != want.value && !(want.anyCase && strings.EqualFold(got, want.value)) {
			return refuse(BadAnswer, fmt.Sprintf("%s: %s, not %s", want.name, got, want.value))
		}
	}
	return nil
}

// A Conn is the client's end of an open connection. One goroutine may read
// while one writes.
type Conn struct {
	net.Conn
	scan Scanner
	br   *bufio.Reader
	buf  []byte
	out  []byte
}

// NewConn makes a Conn of a connection whose opening handshake is complete; br
// holds what has been read beyond it.
func NewConn(conn net.Conn, br *bufio.Reader, d Dialect) *Conn {
	return &Conn{Conn: conn, br: br, scan: Scanner{Dialect: d}}
}

// ReadText returns the next message. At FF 00 it is io.EOF; at the end of TCP
// without it, io.ErrUnexpectedEOF, for -75 too, which has no other end.
func (c *Conn) ReadText() (string, error) {
	for {
		tok, n, err := c.scan.Scan(c.buf, false)
		c.buf = c.buf[n:]
		switch {
		case err != nil:
			return "", err
		case tok.Kind == Text:
			return string(tok.Data), nil
		case c.scan.state == stateClosed:
			return "", io.EOF
		case tok.Kind == Skip:
			continue
		}
		if _, err := c.br.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		more, _ := c.br.Peek(c.br.Buffered())
		c.buf = append(c.buf, more...)
		c.br.Discard(len(more))
	}
}

// WriteText sends a message.
func (c *Conn) WriteText(text string) error {
	c.out = AppendText(c.out[:0], []byte(text))
	_, err := c.Write(c.out)
	return err
}

// WriteClose sends FF 00, the beginning of the closing handshake of -76 or the
// answer to it.
func (c *Conn) WriteClose() error {
	_, err := c.Write(AppendClose(nil))
	return err
}
