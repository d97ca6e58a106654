package connect

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// A wire is a connection that keeps both sides of the opening handshake. The request goes
// out when its response is asked for: then it is whole, and its version can be changed.
type wire struct {
	net.Conn
	dialect        legacy.Dialect
	sent, received []byte
	asked, open    bool
}

func (w *wire) Write(p []byte) (int, error) {
	if w.open {
		return w.Conn.Write(p)
	}
	w.sent = append(w.sent, p...)
	return len(p), nil
}

func (w *wire) Read(p []byte) (int, error) {
	if w.open {
		return w.Conn.Read(p)
	}
	if !w.asked {
		w.asked = true
		version := "\r\nSec-WebSocket-Version: "
		w.sent = bytes.Replace(w.sent, []byte(version+"13\r\n"), []byte(version+w.dialect.String()+"\r\n"), 1)
		if _, err := w.Conn.Write(w.sent); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(p)
	w.received = append(w.received, p[:n]...)
	return n, err
}

// Close leaves the connection of a failed handshake open: refusal reads on.
func (w *wire) Close() error {
	if w.open {
		return w.Conn.Close()
	}
	return nil
}

// open completes the opening handshake of the dialect.
func (c *Client) open(ctx context.Context) (*wire, talk, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	w := &wire{dialect: c.Dialect}
	dial := func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
		w.Conn, err = c.Connect(ctx)
		return w, err
	}
	open := c.openModern
	if c.Dialect.Legacy() {
		open = c.openLegacy
	}
	t, err := open(ctx, w, dial)
	if w.Conn == nil {
		return nil, nil, err
	}
	if c.Explain != nil {
		c.explain(w)
	}
	if err != nil {
		err = cmp.Or(w.refusal(), err)
		w.Conn.Close()
		return nil, nil, fmt.Errorf("the opening handshake of -%s failed: %w; ws76 probe says what to change", c.Dialect, err)
	}
	w.open = true
	return w, t, nil
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func (c *Client) openLegacy(ctx context.Context, w *wire, dial dialFunc) (talk, error) {
	d := legacy.Dialer{Dialect: c.Dialect, Origin: c.Origin, Protocol: c.Protocol, Header: c.Header, NetDial: dial, NetDialTLS: dial}
	conn, err := d.Dial(ctx, c.URL.String())
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxMessage)
	return legacyTalk{conn, w}, nil
}

// openModern opens versions 7 and 8 too, which differ from 13 in two fields of the
// handshake.
func (c *Client) openModern(ctx context.Context, _ *wire, dial dialFunc) (talk, error) {
	header := c.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	origin := "Origin"
	if c.Dialect != legacy.RFC6455 {
		origin = "Sec-WebSocket-Origin"
	}
	header[origin] = []string{cmp.Or(c.Origin, legacy.NewRequest(legacy.Hixie75, c.URL).Origin)}
	d := websocket.Dialer{NetDialContext: dial, NetDialTLSContext: dial, Subprotocols: strings.FieldsFunc(c.Protocol, func(r rune) bool { return r == ',' || r == ' ' })}
	conn, _, err := d.DialContext(ctx, c.URL.String(), header)
	if err != nil {
		return nil, err
	}
	if p := conn.Subprotocol(); p != "" && !slices.Contains(d.Subprotocols, p) {
		return nil, fmt.Errorf("the server selected the subprotocol %.64q, which was not offered", p)
	}
	conn.SetReadLimit(maxMessage)
	return modernTalk{conn}, nil
}

const (
	maxRefusal     = 512 // bytes of the body of a refusal
	refusalTimeout = time.Second
)

// refusal returns what a server said instead of 101; nil if it said 101, or nothing.
func (w *wire) refusal() error {
	if len(w.received) == 0 {
		return nil
	}
	w.Conn.SetDeadline(time.Now().Add(refusalTimeout))
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(w.received), w.Conn)), nil)
	if err != nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || len(body) == 0 {
		return fmt.Errorf("the server says %q", resp.Status)
	}
	return fmt.Errorf("the server says %q, %q", resp.Status, strings.TrimSpace(string(body)))
}
