package legacy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// DefaultReadLimit is the largest message in bytes that ReadText returns, unless
// SetReadLimit says otherwise.
const DefaultReadLimit = 1 << 20

// ErrNotUTF8 is what WriteText returns for text that is not UTF-8. Such text may hold
// 0xFF, which would end the message and let the rest pass as frames.
var ErrNotUTF8 = errors.New("legacy: the text is not UTF-8")

// A Conn is an open connection, of a client or of a server.
//
// One goroutine at a time may call ReadText. Every other method may be called by
// any goroutine at any time.
type Conn struct {
	conn     net.Conn
	dialect  Dialect
	protocol string

	reading sync.Mutex // held while bytes are read
	scan    Scanner
	br      *bufio.Reader
	buf     []byte // read and not scanned

	writing sync.Mutex
	out     []byte
	failed  error // of the first write that failed, or net.ErrClosed behind FF 00
}

// NewConn makes a Conn of a connection whose opening handshake is complete; br
// holds what has been read beyond it.
func NewConn(conn net.Conn, br *bufio.Reader, d Dialect) *Conn {
	c := &Conn{conn: conn, dialect: d, br: br, scan: Scanner{Dialect: d}}
	c.SetReadLimit(DefaultReadLimit)
	return c
}

// Dialect is Hixie75 or Hixie76.
func (c *Conn) Dialect() Dialect { return c.dialect }

// Protocol is the subprotocol that both sides agreed on, empty if none.
func (c *Conn) Protocol() string { return c.protocol }

// NetConn is the connection below. Reading from it or writing to it breaks the
// framing.
func (c *Conn) NetConn() net.Conn { return c.conn }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// SetDeadline bounds reading and writing; the zero time is no bound. After a read
// that timed out reading goes on where it was; after a write that timed out nothing
// more can be written.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// SetReadDeadline is SetDeadline for reading.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline is SetDeadline for writing.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// SetReadLimit bounds a message, and a frame of a reserved type, which is discarded,
// in bytes. Call it before the first ReadText; 0 is no limit. Reading takes at most
// four times the limit of memory.
func (c *Conn) SetReadLimit(bytes int64) { c.scan.MaxMessage, c.scan.MaxSkip = bytes, bytes }

// Close closes TCP without a closing handshake. That is the regular end of -75.
func (c *Conn) Close() error { return c.conn.Close() }

// ReadText returns the next message. What is not UTF-8 in it is as the peer sent it.
// At FF 00 the error is io.EOF; at the end of TCP without it, io.ErrUnexpectedEOF,
// for -75 too, which has no other end. A message over the read limit is a
// *FrameError.
func (c *Conn) ReadText() (string, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.readText()
}

func (c *Conn) readText() (string, error) {
	for {
		tok, n, err := c.scan.Scan(c.buf, false)
		text := string(tok.Data)
		if n > 0 {
			c.buf = append(c.buf[:0], c.buf[n:]...)
		}
		switch {
		case err != nil:
			return "", err
		case tok.Kind == Text:
			return text, nil
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

// WriteText sends a message. It returns ErrNotUTF8, and sends nothing, if the text is
// not UTF-8.
func (c *Conn) WriteText(text string) error {
	if !utf8.ValidString(text) {
		return ErrNotUTF8
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = AppendText(c.out[:0], []byte(text))
	return c.write(c.out)
}

// WriteTextLossy sends a message in which U+FFFD replaces each run of bytes that is
// not UTF-8.
func (c *Conn) WriteTextLossy(text string) error {
	return c.WriteText(strings.ToValidUTF8(text, "\ufffd"))
}

// WriteClose sends FF 00 to a -76 peer, as the beginning of the closing handshake or
// as the response to the peer's. Nothing can be written behind it, and a second call
// sends nothing. A -75 peer gets nothing: Close ends TCP.
func (c *Conn) WriteClose() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.failed == net.ErrClosed {
		return nil
	}
	var err error
	if c.dialect == Hixie76 {
		err = c.write(AppendClose(nil))
	}
	if err == nil {
		c.failed = net.ErrClosed
	}
	return err
}

// write sends whole frames. Behind a part of one, everything would be taken for its
// rest.
func (c *Conn) write(frames []byte) error {
	if c.failed != nil {
		return c.failed
	}
	_, c.failed = c.conn.Write(frames)
	return c.failed
}

// Shutdown closes in the way of the dialect: it sends FF 00 to a -76 peer, discards
// what the peer still sends until its FF 00 or the end of TCP, and closes TCP. A -75
// peer gets the end of TCP. A ReadText that waits goes on until Shutdown has returned.
// When ctx ends before, TCP is closed at once and the error is that of ctx. Give it some
// seconds: browsers before 2011 close TCP in the place of FF 00, and some do neither.
func (c *Conn) Shutdown(ctx context.Context) error {
	defer c.conn.Close()
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := c.WriteClose()
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && err == nil && c.dialect == Hixie75 {
		err = half.CloseWrite()
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	for err == nil {
		_, err = c.readText()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	}
	return err
}
