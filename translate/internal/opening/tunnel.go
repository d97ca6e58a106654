package opening

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/codec"
	"github.com/ws76/ws76/translate/internal/forward"
	"github.com/ws76/ws76/translate/internal/relay"
)

// A tunnelHandshake is the opening handshake of a client of version 7, 8 or 13. Their
// frames are those of RFC 6455, so only the handshake is adapted; the client's key goes to
// the backend, whose answer is then right for the client too.
type tunnelHandshake struct {
	client
	version legacy.Dialect
	target  string
}

func newTunnel(c client, d legacy.Dialect, head []byte) (Handshake, error) {
	target, ok := legacy.Resource(c.r)
	if !ok {
		return nil, checks.BadTarget(c.r)
	}
	if err := cmp.Or(checks.Host(c.r), checks.OneOrigin(c.r), legacy.CheckHead(head), legacy.CheckBody(c.r, d)); err != nil {
		return nil, err
	}
	return &tunnelHandshake{c, d, target}, nil
}

func (t *tunnelHandshake) Dialect() legacy.Dialect { return t.version }

// Origin reads Sec-WebSocket-Origin, which held the origin until hybi-10, before Origin.
func (t *tunnelHandshake) Origin() string {
	if o := t.r.Header.Get("Sec-Websocket-Origin"); o != "" && t.version != legacy.RFC6455 {
		return o
	}
	return t.r.Header.Get("Origin")
}

func (t *tunnelHandshake) Dial(ctx context.Context) (*modern.Backend, error) {
	header := forward.EndToEnd(t.r.Header)
	delete(header, "Content-Length")
	if t.version != legacy.RFC6455 {
		t.modernize(header)
	}
	rules := t.config.Rules
	rules.Set(header, t.r)
	return t.config.Backend.Forward(ctx, modern.Request{Host: rules.Host(t.r), Target: rules.Prefix + t.target, Header: header, Head: t.heads})
}

// modernize turns a request of version 7 or 8 into one of version 13. It offers no
// extensions: no backend of today knows those of these versions.
func (t *tunnelHandshake) modernize(header http.Header) {
	header["Sec-Websocket-Version"] = []string{"13"}
	if origin := t.Origin(); origin != "" {
		header["Origin"] = []string{origin}
	}
	forward.JoinCookies(header)
	delete(header, "Sec-Websocket-Origin")
	delete(header, "Sec-Websocket-Extensions")
}

// Respond passes the backend's 101 on.
func (t *tunnelHandshake) Respond(conn net.Conn, _ *bufio.Reader, backend *modern.Backend) error {
	header := forward.EndToEnd(backend.Header)
	delete(header, "Content-Length") // a proxy could take frames for a body (RFC 9110 section 8.6)
	return writeSwitching(conn, header)
}

func (t *tunnelHandshake) Abandon(*modern.Backend)         {}
func (t *tunnelHandshake) Misplaced() bool                 { return false }
func (t *tunnelHandshake) Key3() (*[8]byte, time.Duration) { return nil, 0 }

// Codecs: the backend's frames are right for every version; those of an
// old client may not be for a strict backend.
func (t *tunnelHandshake) Codecs(s *codec.Summary) (up, down relay.Codec) {
	if t.version == legacy.RFC6455 {
		return nil, nil
	}
	return codec.NewAdapt(s), nil
}
