// Package legacytest helps to test servers and clients of -75 and -76: a server for a
// handler of connections, a client, the handshake that -76 has for an example, and vectors
// for programs that do not use package legacy.
package legacytest

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// timeout bounds what a test waits for a peer.
const timeout = 30 * time.Second

// The example of draft-hixie-76 section 1.2: two keys, the 8 bytes behind the head,
// and the 16 bytes that answer them.
const (
	Key1     = "4 @1  46546xW%0l 1 5"
	Key2     = "12998 5 Y3 1  .P00"
	Key3     = "^n:ds[4U"
	Response = "8jKS'y:G*Co,Wxa-"
)

//go:embed testdata/*.json
var files embed.FS

// Vectors are files of cases, each with the source that it was taken from. challenge.json
// has keys with what answers them, and keys to refuse. frames.json has bytes with the
// messages in them, and messages with the bytes to send. handshakes.json has opening
// handshakes with the responses that a server sends, and handshakes to refuse.
func Vectors() fs.FS {
	vectors, _ := fs.Sub(files, "testdata")
	return vectors
}

// NewServer starts a server that accepts every origin and gives each connection to
// serve, which may be nil for an echo. It returns the server's ws URL. When serve
// returns, the connection is closed; when the test ends, the server.
func NewServer(t testing.TB, serve func(*legacy.Conn)) (url string) {
	t.Helper()
	if serve == nil {
		serve = Echo
	}
	u := legacy.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			defer c.Close()
			c.SetDeadline(time.Now().Add(timeout))
			serve(c)
		}
	}))
	t.Cleanup(s.Close)
	return URL(s)
}

// URL is the ws or wss URL of a server.
func URL(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// Echo sends every message back until the client closes.
func Echo(c *legacy.Conn) {
	for {
		text, err := c.ReadText()
		if err != nil {
			c.WriteClose()
			return
		}
		if c.WriteTextLossy(text) != nil {
			return
		}
	}
}

// Dial opens a connection to url, which ends with the test. The test fails if it
// cannot be opened.
func Dial(t testing.TB, d legacy.Dialect, url string) *legacy.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c, err := (&legacy.Dialer{Dialect: d}).Dial(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(timeout))
	t.Cleanup(func() { c.Close() })
	return c
}

// Expect reads a message and fails the test if it is another one than want.
func Expect(t testing.TB, c *legacy.Conn, want string) {
	t.Helper()
	if got, err := c.ReadText(); got != want || err != nil {
		t.Fatalf("got %.100q, %v, want %.100q", got, err, want)
	}
}
