package translate

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// declaredWait is how long a key3 that is announced as Content-Length: 8 is
// waited for before the 101. A proxy that announces it and still holds it back
// gets the 101 then.
const declaredWait = time.Second

// translated is the opening of a legacy client.
type translated struct {
	*legacy.Handshake
	gw *Gateway
	r  *http.Request
}

func newTranslated(g *Gateway, r *http.Request, d legacy.Dialect) (opening, error) {
	hs, err := legacy.NewHandshake(r, d, rawHead(r))
	if err := cmp.Or(err, checkHost(r), checkOrigin(r)); err != nil {
		return nil, err
	}
	return &translated{hs, g, r}, nil
}

func (t *translated) dialect() legacy.Dialect { return t.Dialect }
func (t *translated) origin() string          { return t.Origin }

// dial counts a subprotocol that the client would drop the connection for as a
// refusal.
func (t *translated) dial(ctx context.Context) (*modern.Backend, error) {
	backend, err := t.gw.options.Backend.Dial(ctx, t.gw.request(t.r, t.Handshake))
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

func (t *translated) answer(conn net.Conn, br *bufio.Reader, backend *modern.Backend) error {
	if t.Declared {
		legacy.AwaitKey3(conn, br, declaredWait)
	}
	err := t.Accept(conn, br, legacy.Answer{
		Location:  t.gw.location(t.r, t.Resource),
		Protocol:  backend.Protocol,
		SetCookie: backend.Header["Set-Cookie"],
	}, t.gw.options.Timeouts.Key3)
	if err == nil && t.Dialect == legacy.Hixie76 {
		t.gw.count(func(s *Stats) { s.Key3Wait.observe(t.Key3Wait) })
	}
	return err
}

func (t *translated) abandon(backend *modern.Backend) { sayClose(backend, modern.GoingAway) }

func sayClose(backend *modern.Backend, code uint16) {
	backend.Conn.Write(modern.AppendClose(nil, code, modern.NewKey()))
}

func (t *translated) transducers(o *Options) (transducer, transducer) {
	return &up{scan: legacy.Scanner{Dialect: t.Dialect, MaxMessage: o.Limits.Message, MaxSkip: o.Limits.Skip}},
		&down{scan: modern.Scanner{MaxMessage: o.Limits.Message}, binary: o.Binary}
}
