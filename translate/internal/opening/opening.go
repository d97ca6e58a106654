// Package opening has the opening handshakes of clients: what the backend is asked for
// them, and what they are answered when it has agreed. Each pair of a client's dialect and
// a backend's is one way; they are all the same to the caller.
package opening

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/codec"
	"github.com/ws76/ws76/translate/internal/forward"
	"github.com/ws76/ws76/translate/internal/relay"
)

// declaredWait is how long the 101 waits for a key3 that Content-Length: 8 announces. A
// proxy that announces it and still holds it back then gets the 101.
const declaredWait = time.Second

// Config says how a backend is asked and its clients are answered.
type Config struct {
	Backend *modern.Dialer
	Rules   *forward.Rules
	Dialect legacy.Dialect                     // of the backend: RFC6455, Hixie76 or Hixie75
	Origin  string                             // sent to a legacy backend; empty = the client's
	Lax     bool                               // accept the slips that legacy.Request knows from a legacy backend
	Slip    func(r *http.Request, slip string) // is called for each of them
	Key3    time.Duration                      // for key3 after the head of the 101
	Message int64                              // bytes of one message; 0 = unlimited
	Skip    int64                              // bytes of a frame of a reserved type
	Binary  codec.BinaryPolicy                 // of messages to a legacy side
	Decode  bool                               // base64 text from a legacy client is a binary message to the backend
}

// Heads is shown the head that was sent to the backend, and the one received from it. It
// must copy what it keeps.
type Heads func(sent bool, head []byte)

// A Handshake is the opening handshake of a client: checked, not yet answered.
type Handshake interface {
	// Dialect returns the client's.
	Dialect() legacy.Dialect
	// Origin returns the client's, empty if it has sent none.
	Origin() string
	// Dial asks the backend.
	Dial(context.Context) (*modern.Backend, error)
	// Respond sends the client its 101. When it returns nil the connection is open, and br
	// holds what followed the handshake.
	Respond(client net.Conn, br *bufio.Reader, backend *modern.Backend) error
	// Abandon tells a backend that its client is not there.
	Abandon(backend *modern.Backend)
	// Codecs returns nil for bytes that pass as they are.
	Codecs(*codec.Summary) (up, down relay.Codec)
	// Misplaced reports whether the Location of the 101 is not where the Origin is.
	Misplaced() bool
	// Key3 returns what made the challenge response and how long it took to come, once
	// Respond has returned. It is nil for any client but one of -76.
	Key3() (*[8]byte, time.Duration)
}

// A client is what all handshakes know.
type client struct {
	config *Config
	r      *http.Request
	heads  Heads
}

// New checks an opening handshake. head is the request's as it was received, nil if it is
// not known; heads may be nil. The error says what the response is.
func (c *Config) New(r *http.Request, d legacy.Dialect, head []byte, heads Heads) (Handshake, error) {
	create := newTunnel
	if d.Legacy() {
		create = newLegacy
	}
	hs, err := create(client{c, r, heads}, d, head)
	if err != nil || !c.Dialect.Legacy() {
		return hs, err
	}
	return withLegacyBackend(hs)
}

// fields returns what the backend gets of the fields of a request whose handshake is made
// anew for it.
func (c client) fields() http.Header {
	header := forward.EndToEnd(c.r.Header)
	for name := range header {
		if strings.HasPrefix(name, "Sec-Websocket-") || strings.HasPrefix(name, "Websocket-") || name == "Content-Length" {
			delete(header, name)
		}
	}
	forward.JoinCookies(header)
	c.config.Rules.Set(header, c.r)
	return header
}

// writeSwitching writes the 101 of RFC 6455, with the two fields of the connection spelt as
// the clients of 2011 compare them.
func writeSwitching(conn net.Conn, header http.Header) error {
	head := bytes.NewBufferString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
	modern.SpellFields(header).Write(head)
	head.WriteString("\r\n")
	_, err := conn.Write(head.Bytes())
	return err
}
