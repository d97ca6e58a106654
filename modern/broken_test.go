package modern_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ws76/ws76/modern"
)

var errBroken = errors.New("broken")

// A brokenConn fails to write, and counts how often it is closed.
type brokenConn struct {
	net.Conn
	closed atomic.Int32
}

func (c *brokenConn) Write([]byte) (int, error)   { return 0, errBroken }
func (c *brokenConn) SetDeadline(time.Time) error { return nil }
func (c *brokenConn) Close() error                { c.closed.Add(1); return nil }

// A request that could not be sent is an error, in plain and with TLS, and its connection
// is closed.
func TestRequestNotSent(t *testing.T) {
	send := func(d *modern.Dialer, ctx context.Context, _ modern.Request) (*modern.Backend, error) {
		return d.Send(ctx, []byte("GET / HTTP/1.1\r\n\r\n"), func(*bufio.Reader) error { return nil })
	}
	for id, tt := range map[string]struct {
		open   way
		tls    *tls.Config
		reason string
	}{
		"dial":     {(*modern.Dialer).Dial, nil, modern.BadResponse},
		"forward":  {(*modern.Dialer).Forward, nil, modern.BadResponse},
		"send":     {send, nil, modern.BadResponse},
		"dial-tls": {(*modern.Dialer).Dial, &tls.Config{ServerName: "example.com"}, modern.Unreachable},
		"send-tls": {send, &tls.Config{ServerName: "example.com"}, modern.Unreachable},
	} {
		t.Run(id, func(t *testing.T) {
			conn := &brokenConn{}
			d := modern.Dialer{TLS: tt.tls, Open: func(context.Context) (net.Conn, error) { return conn, nil }}
			backend, err := tt.open(&d, t.Context(), request)
			if backend != nil || reason(err) != tt.reason || !errors.Is(err, errBroken) {
				t.Errorf("got %v, %v, want %s", backend, err, tt.reason)
			}
			if conn.closed.Load() == 0 {
				t.Error("the connection is left open")
			}
		})
	}
}

// Nobody listening is an error with TLS too.
func TestNobodyListensWithTLS(t *testing.T) {
	d := modern.Dialer{Address: gone(t), TLS: &tls.Config{ServerName: "example.com"}}
	eachWay(t, func(t *testing.T, open way) {
		if _, err := open(&d, t.Context(), request); reason(err) != modern.Unreachable {
			t.Errorf("got %v", err)
		}
	})
}
