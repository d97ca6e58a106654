package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// A talker is a client with an open connection.
type talker interface {
	say(message string) error
	hear() (string, error)
	goodbye() error // the whole closing handshake
}

// A client opens a connection; what it does on it is to be over by the deadline.
type client struct {
	name string // of its dialect, as in the log
	open func(address, path string, deadline time.Time) (talker, io.Closer, error)
}

var talkers = []client{
	{"75", legacyClient(legacy.Hixie75)},
	{"76", legacyClient(legacy.Hixie76)},
	{"8", modernClient("8")},
	{"13", modernClient("13")},
	{"http", plainClient},
}

func dial(address string, deadline time.Time) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.SetDeadline(deadline)
	}
	return conn, err
}

func legacyClient(d legacy.Dialect) func(string, string, time.Time) (talker, io.Closer, error) {
	return func(address, path string, deadline time.Time) (talker, io.Closer, error) {
		raw, err := dial(address, deadline)
		if err != nil {
			return nil, nil, err
		}
		conn, err := legacy.NewRequest(d, &url.URL{Scheme: "ws", Host: address, Path: path}).Open(raw)
		return legacyTalker{conn, d}, raw, err
	}
}

type legacyTalker struct {
	*legacy.Conn
	dialect legacy.Dialect
}

func (c legacyTalker) say(message string) error { return c.WriteText(message) }
func (c legacyTalker) hear() (string, error)    { return c.ReadText() }

func (c legacyTalker) goodbye() error {
	want := io.EOF // FF 00
	if c.dialect == legacy.Hixie75 {
		want = io.ErrUnexpectedEOF
		c.NetConn().(*net.TCPConn).CloseWrite()
	} else if err := c.WriteClose(); err != nil {
		return err
	}
	if got, err := c.ReadText(); err != want {
		return fmt.Errorf("heard %q, %w instead of a goodbye", got, err)
	}
	return nil
}

func modernClient(version string) func(string, string, time.Time) (talker, io.Closer, error) {
	return func(address, path string, deadline time.Time) (talker, io.Closer, error) {
		raw, err := dial(address, deadline)
		if err != nil {
			return nil, nil, err
		}
		dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return versioned{raw, version}, nil }}
		conn, _, err := dialer.Dial("ws://"+address+path, nil)
		raw.SetDeadline(deadline) // gorilla has taken it away
		return modernTalker{conn}, raw, err
	}
}

// versioned has gorilla's handshake announce another version.
type versioned struct {
	net.Conn
	version string
}

func (c versioned) Write(b []byte) (int, error) {
	if !bytes.HasPrefix(b, []byte("GET ")) {
		return c.Conn.Write(b)
	}
	head := bytes.Replace(b, []byte("Sec-WebSocket-Version: 13\r\n"), []byte("Sec-WebSocket-Version: "+c.version+"\r\n"), 1)
	if _, err := c.Conn.Write(head); err != nil {
		return 0, err
	}
	return len(b), nil
}

type modernTalker struct{ *websocket.Conn }

func (c modernTalker) say(message string) error {
	return c.WriteMessage(websocket.TextMessage, []byte(message))
}

func (c modernTalker) hear() (string, error) {
	_, message, err := c.ReadMessage()
	return string(message), err
}

func (c modernTalker) goodbye() error {
	if err := c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")); err != nil {
		return err
	}
	_, got, err := c.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return fmt.Errorf("heard %q, %w instead of a goodbye", got, err)
	}
	return nil
}

// plainClient has the backend echo bodies, one request a message.
func plainClient(address, path string, deadline time.Time) (talker, io.Closer, error) {
	c := &plainTalker{url: "http://" + address + path, heard: "welcome"}
	c.client = http.Client{Timeout: time.Until(deadline), Transport: &http.Transport{}}
	return c, c, nil
}

type plainTalker struct {
	client http.Client
	url    string
	heard  string
}

var errStatus = errors.New("another status than 200")

func (c *plainTalker) say(message string) error {
	resp, err := c.client.Post(c.url, "text/plain", bytes.NewReader([]byte(message)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errStatus, resp.Status)
	}
	body, err := io.ReadAll(resp.Body)
	c.heard = string(body)
	return err
}

func (c *plainTalker) hear() (string, error) { return c.heard, nil }
func (c *plainTalker) goodbye() error        { return nil }

func (c *plainTalker) Close() error {
	c.client.CloseIdleConnections()
	return nil
}
