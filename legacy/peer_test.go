package legacy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// The request that the tables vary: what WebKit sends, with the keys of the
// draft's example.
const (
	head75 = "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Host: example.com\r\nOrigin: http://example.com\r\n\r\n"
	key1   = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5"
	key2   = "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00"
	key3   = "^n:ds[4U"
	digest = "8jKS'y:G*Co,Wxa-"
)

var head76 = plus(head75, key1, key2)

// plus adds fields at the end of a head.
func plus(head string, fields ...string) string {
	head = strings.TrimSuffix(head, "\r\n")
	for _, f := range fields {
		head += f + "\r\n"
	}
	return head + "\r\n"
}

// swap replaces what must be there.
func swap(head, old, new string) string {
	if !strings.Contains(head, old) {
		panic("no " + old + " in " + head)
	}
	return strings.Replace(head, old, new, 1)
}

func request(t testing.TB, head string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return r
}

// open takes a request as far as a server can without the connection.
func open(t testing.TB, head string) (*legacy.Handshake, error) {
	t.Helper()
	r := request(t, head)
	d, err := legacy.Detect(r)
	if err != nil {
		return nil, err
	}
	return legacy.NewHandshake(r, d, []byte(head))
}

func mustOpen(t testing.TB, head string) *legacy.Handshake {
	t.Helper()
	h, err := open(t, head)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// reason is the word of an error of this package, empty for any other.
func reason(err error) string {
	var handshake *legacy.HandshakeError
	var frame *legacy.FrameError
	switch {
	case errors.As(err, &handshake):
		return handshake.Reason()
	case errors.As(err, &frame):
		return frame.Reason()
	}
	return ""
}

// A segmentConn is a peer whose bytes come as they are cut: one segment for
// each Read. The methods that it lacks panic.
type segmentConn struct {
	net.Conn
	segments [][]byte
	reads    int
	writes   []write
	fail     error // of every Write
	deadline time.Time
}

// A write is one call of Write and the number of Reads before it.
type write struct {
	data  string
	reads int
}

func (c *segmentConn) Read(p []byte) (int, error) {
	if len(c.segments) == 0 {
		return 0, io.EOF
	}
	c.reads++
	n := copy(p, c.segments[0])
	if c.segments[0] = c.segments[0][n:]; len(c.segments[0]) == 0 {
		c.segments = c.segments[1:]
	}
	return n, nil
}

func (c *segmentConn) Write(p []byte) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	c.writes = append(c.writes, write{string(p), c.reads})
	return len(p), nil
}

func (c *segmentConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *segmentConn) written() string {
	var all strings.Builder
	for _, w := range c.writes {
		all.WriteString(w.data)
	}
	return all.String()
}

// cuts are the ways to cut data that every table is run with: whole, byte by
// byte, and in two at every position.
func cuts(data []byte) [][][]byte {
	each := make([][]byte, 0, len(data))
	for i := range data {
		each = append(each, data[i:i+1])
	}
	all := [][][]byte{{data}, each}
	for i := 1; i < len(data); i++ {
		all = append(all, [][]byte{data[:i], data[i:]})
	}
	return all
}
