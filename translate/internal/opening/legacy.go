package opening

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/codec"
	"github.com/ws76/ws76/translate/internal/relay"
	"github.com/ws76/ws76/translate/proxies"
)

// A legacyHandshake is the opening handshake of a -75 or -76 client.
type legacyHandshake struct {
	client
	*legacy.Handshake
	at string // location, when it was asked for
}

func newLegacy(c client, d legacy.Dialect, head []byte) (Handshake, error) {
	hs, err := legacy.NewHandshake(c.r, d, head)
	if err := cmp.Or(err, checks.Host(c.r), checks.OneOrigin(c.r)); err != nil {
		return nil, err
	}
	return &legacyHandshake{client: c, Handshake: hs}, nil
}

func (t *legacyHandshake) Dialect() legacy.Dialect { return t.Handshake.Dialect }
func (t *legacyHandshake) Origin() string          { return t.Handshake.Origin }

// Dial also refuses a backend whose subprotocol would make the client drop the
// connection.
func (t *legacyHandshake) Dial(ctx context.Context) (*modern.Backend, error) {
	backend, err := t.config.Backend.Dial(ctx, t.request())
	if err != nil {
		return nil, err
	}
	if err := t.CheckProtocol(backend.Protocol); err != nil {
		sayClose(backend, modern.ProtocolFailure)
		backend.Conn.Close()
		return nil, err
	}
	return backend, nil
}

// request returns what the backend gets of the handshake.
func (t *legacyHandshake) request() modern.Request {
	rules := t.config.Rules
	return modern.Request{Host: rules.Host(t.r), Target: rules.Prefix + t.Resource, Header: t.fields(), Protocols: t.Protocols(), Head: t.heads}
}

// location returns what the client compares with its URL. Only the client itself compares it,
// so nobody need be trusted.
func (t *legacyHandshake) location() string {
	if t.at == "" {
		secure, host := t.config.Rules.RequestedURL(t.r, t.r.Header)
		t.at = legacy.Location(secure, host, t.Resource)
	}
	return t.at
}

func (t *legacyHandshake) Respond(conn net.Conn, br *bufio.Reader, backend *modern.Backend) error {
	if t.Declared {
		legacy.AwaitKey3(conn, br, declaredWait)
	}
	return t.Accept(conn, br, legacy.ResponseFields{
		Location:  t.location(),
		Protocol:  backend.Protocol,
		SetCookie: backend.Header["Set-Cookie"],
	}, t.config.Key3)
}

func (t *legacyHandshake) Key3() (*[8]byte, time.Duration) {
	if t.Dialect() != legacy.Hixie76 {
		return nil, 0
	}
	return &t.Handshake.Key3, t.Key3Wait
}

func (t *legacyHandshake) Misplaced() bool {
	return !proxies.Agree(t.Origin(), t.location())
}

func (t *legacyHandshake) Abandon(backend *modern.Backend) { sayClose(backend, modern.GoingAway) }

func sayClose(backend *modern.Backend, code uint16) {
	backend.Conn.Write(modern.AppendClose(nil, code, modern.NewKey()))
}

func (t *legacyHandshake) Codecs(s *codec.Summary) (up, down relay.Codec) {
	c := t.config
	if down = codec.NewDown(c.Message, c.Binary, s); c.Decode {
		return codec.NewDecode(t.Dialect(), c.Message, c.Skip, s), down
	}
	return codec.NewUp(t.Dialect(), c.Message, c.Skip, s), down
}
