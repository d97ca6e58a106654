package legacy

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Dialer opens connections as a client. The zero value is a -76 browser whose page
// is on the server's own host.
type Dialer struct {
	Dialect  Dialect     // Hixie76 if it is 0
	Origin   string      // of the page; empty: the server's own
	Protocol string      // the subprotocol to ask for
	Header   http.Header // further fields, sent in the order of their names
	TLS      *tls.Config // for wss; its ServerName is the URL's host if it is empty

	// NetDial opens the connection below; nil: net.Dialer does. NetDialTLS does it for
	// wss and includes TLS; nil: TLS goes over NetDial.
	NetDial, NetDialTLS func(ctx context.Context, network, address string) (net.Conn, error)
}

// Dial connects to a ws or wss URL and completes the opening handshake, which ctx
// bounds. The response is checked as the strictest browsers do. The error is a
// *HandshakeError with Reason BadResponse, or of the connection or of ctx, or says which
// argument cannot be used.
func (d *Dialer) Dial(ctx context.Context, rawURL string) (*Conn, error) {
	r, err := d.request(rawURL)
	if err != nil {
		return nil, err
	}
	conn, err := d.connect(ctx, r)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	c, err := r.Open(conn)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// request makes the opening handshake for a URL.
func (d *Dialer) request(rawURL string) (*Request, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("legacy: %q is not a ws or wss URL", rawURL)
	}
	r := NewRequest(cmp.Or(d.Dialect, Hixie76), u)
	r.Origin, r.Protocol, r.Header = cmp.Or(d.Origin, r.Origin), d.Protocol, d.Header
	given := map[string][]string{"Dialer.Origin": {r.Origin}, "Dialer.Protocol": {r.Protocol}}
	maps.Copy(given, r.Header)
	for name, values := range given {
		if !isToken(name) || !printable(strings.Join(values, "")) {
			return nil, fmt.Errorf("legacy: %.64q, its name or its value, cannot stand in a request", name)
		}
	}
	if !r.Dialect.Legacy() {
		return nil, fmt.Errorf("legacy: dialect %s is not -75 or -76", r.Dialect)
	}
	return r, nil
}

func (d *Dialer) connect(ctx context.Context, r *Request) (net.Conn, error) {
	dial, withTLS := d.NetDial, r.Secure && d.NetDialTLS != nil
	switch {
	case withTLS:
		dial = d.NetDialTLS
	case dial == nil:
		dial = new(net.Dialer).DialContext
	}
	u := url.URL{Host: r.Host}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[bool]string{false: "80", true: "443"}[r.Secure])))
	if err != nil || !r.Secure || withTLS {
		return conn, err
	}
	config := &tls.Config{}
	if d.TLS != nil {
		config = d.TLS.Clone()
	}
	config.ServerName = cmp.Or(config.ServerName, u.Hostname())
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}
