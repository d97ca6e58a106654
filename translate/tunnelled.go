package translate

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// tunnelled is the opening of a client of version 7, 8 or 13. Their frames are
// those of RFC 6455, so only the handshake is adapted; the client's key goes to
// the backend, whose answer is then right for the client too.
type tunnelled struct {
	version legacy.Dialect
	target  string
	gw      *Gateway
	r       *http.Request
}

func newTunnelled(g *Gateway, r *http.Request, d legacy.Dialect) (opening, error) {
	target, err := legacy.Resource(r)
	if err := cmp.Or(err, checkHost(r), checkOrigin(r), legacy.CheckHead(rawHead(r)), legacy.CheckBody(r, d)); err != nil {
		return nil, err
	}
	return &tunnelled{d, target, g, r}, nil
}

func (t *tunnelled) dialect() legacy.Dialect { return t.version }

// origin is in a field of its own until hybi-10.
func (t *tunnelled) origin() string {
	if o := t.r.Header.Get("Sec-Websocket-Origin"); o != "" && t.version != legacy.RFC6455 {
		return o
	}
	return t.r.Header.Get("Origin")
}

func (t *tunnelled) dial(ctx context.Context) (*modern.Backend, error) {
	header := endToEnd(t.r.Header)
	delete(header, "Content-Length")
	if t.version != legacy.RFC6455 {
		t.modernize(header)
	}
	t.gw.setForwarded(header, t.r)
	return t.gw.options.Backend.Forward(ctx, modern.Request{
		Host:   t.gw.backendHost(t.r),
		Target: t.gw.options.PathPrefix + t.target,
		Header: header,
	})
}

// modernize makes a version 13 request of one of version 7 or 8. Extensions
// are not offered: what these clients mean by theirs, nobody speaks any more.
func (t *tunnelled) modernize(header http.Header) {
	header["Sec-Websocket-Version"] = []string{"13"}
	if origin := t.origin(); origin != "" {
		header["Origin"] = []string{origin}
	}
	joinCookies(header)
	delete(header, "Sec-Websocket-Origin")
	delete(header, "Sec-Websocket-Extensions")
}

// answer passes the backend's 101 on, with the two fields of the connection
// spelt as the clients of 2011 compare them.
func (t *tunnelled) answer(conn net.Conn, _ *bufio.Reader, backend *modern.Backend) error {
	var head bytes.Buffer
	fmt.Fprint(&head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
	header := endToEnd(backend.Header)
	delete(header, "Content-Length") // a front could take frames for a body (RFC 9110 section 8.6)
	header.Write(&head)
	head.WriteString("\r\n")
	_, err := conn.Write(head.Bytes())
	return err
}

func (t *tunnelled) abandon(*modern.Backend) {}
func (t *tunnelled) suspect() suspicion      { return suspicion{} }

// transducers: the backend's frames are right for every version; those of an
// old client may not be for a strict backend.
func (t *tunnelled) transducers(*Options) (transducer, transducer) {
	if t.version == legacy.RFC6455 {
		return nil, nil
	}
	return &adapt{}, nil
}
