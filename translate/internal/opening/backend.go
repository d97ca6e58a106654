package opening

import (
	"bufio"
	"cmp"
	"context"
	"maps"
	"net"
	"net/http"
	"strings"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/codec"
	"github.com/ws76/ws76/translate/internal/forward"
	"github.com/ws76/ws76/translate/internal/relay"
)

// A legacyBackendHandshake is the opening handshake of any client where the backend is
// one of -76 or -75. ws76 has keys of its own towards the backend, and the client is
// answered only when the backend's challenge response has come and was right.
type legacyBackendHandshake struct {
	Handshake
	client
	resource string
	protocol string // what the client asked for, one string
}

// withLegacyBackend returns hs, which is one of the other two, for a legacy backend.
func withLegacyBackend(hs Handshake) (Handshake, error) {
	if l, ok := hs.(*legacyHandshake); ok {
		return &legacyBackendHandshake{l, l.client, l.Resource, l.Protocol}, nil
	}
	t := hs.(*tunnelHandshake)
	if err := checks.Key(t.r); err != nil {
		return nil, err
	}
	return &answeredHandshake{&legacyBackendHandshake{t, t.client, t.target, strings.Join(t.r.Header["Sec-Websocket-Protocol"], ", ")}}, nil
}

// Dial opens the backend as a browser of its time did.
func (t *legacyBackendHandshake) Dial(ctx context.Context) (*modern.Backend, error) {
	request := t.request()
	if t.heads != nil {
		t.heads(true, request.AppendHead(nil))
	}
	backend, err := t.config.Backend.Send(ctx, request.Append(nil), request.ReadResponse)
	for _, slip := range request.Slips {
		t.config.Slip(t.r, slip)
	}
	if err != nil {
		return nil, err
	}
	if backend.Protocol, _, _ = strings.Cut(t.protocol, ","); backend.Protocol != "" {
		backend.Protocol = strings.Trim(backend.Protocol, " \t")
	}
	return backend, nil
}

// request returns what the backend gets of the client's handshake.
func (t *legacyBackendHandshake) request() *legacy.Request {
	c, header := t.config, t.fields()
	// The Location is that of our connection: a server that goes by these fields, as
	// Protocol::WebSocket for Perl does, would answer with another one.
	maps.DeleteFunc(header, func(name string, _ []string) bool { return forward.NamesURL(name) })
	request := &legacy.Request{
		Dialect: c.Dialect, Secure: c.Backend.TLS != nil, Host: c.Rules.Host(t.r),
		Resource: c.Rules.Prefix + t.resource, Origin: cmp.Or(c.Origin, t.Origin()),
		Protocol: t.protocol, Cookie: header.Get("Cookie"), Header: header,
		AnyBrowser: true, Lax: c.Lax,
	}
	for _, name := range []string{"Cookie", "Host", "Origin"} {
		delete(header, name)
	}
	request.MakeKeys()
	return request
}

// Abandon says FF 00 to a backend that knows it.
func (t *legacyBackendHandshake) Abandon(backend *modern.Backend) {
	if t.config.Dialect == legacy.Hixie76 {
		backend.Conn.Write(legacy.AppendClose(nil))
	}
}

// Codecs translates between -75 and -76. Where the dialects are the same, the frames
// pass as they are.
func (t *legacyBackendHandshake) Codecs(s *codec.Summary) (up, down relay.Codec) {
	c := t.config
	if t.Dialect() == c.Dialect {
		return nil, nil
	}
	return codec.NewHixie(t.Dialect(), c.Message, c.Skip, s), codec.NewHixie(c.Dialect, c.Message, c.Skip, s)
}

// An answeredHandshake is that of a client of version 7, 8 or 13, which ws76 answers
// itself: no backend of -76 or -75 could.
type answeredHandshake struct {
	*legacyBackendHandshake
}

// Respond selects no extension.
func (t *answeredHandshake) Respond(conn net.Conn, _ *bufio.Reader, backend *modern.Backend) error {
	header := http.Header{"Sec-Websocket-Accept": {modern.AcceptKey(t.r.Header.Get("Sec-Websocket-Key"))}}
	if backend.Protocol != "" {
		header["Sec-Websocket-Protocol"] = []string{backend.Protocol}
	}
	if cookies := backend.Header["Set-Cookie"]; cookies != nil {
		header["Set-Cookie"] = cookies
	}
	return writeSwitching(conn, header)
}

func (t *answeredHandshake) Codecs(s *codec.Summary) (up, down relay.Codec) {
	c, lenient := t.config, t.Dialect() != legacy.RFC6455
	return codec.NewServerDown(c.Message, lenient, c.Binary, s), codec.NewServerUp(c.Dialect, c.Message, c.Skip, s)
}
