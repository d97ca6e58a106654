package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// Package legacy without a gateway, with real clients and servers of the time.

// bothServer is one handler for every dialect: package legacy for -75 and -76, gorilla for
// RFC 6455. It behaves like a backend.
func bothServer(t *testing.T) *backend {
	b := &backend{ended: make(chan conversation, 64)}
	upgrader := legacy.Upgrader{Protocols: []string{"chat"}, CheckOrigin: func(*http.Request) bool { return true }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := legacy.Detect(r); err == nil && !d.Legacy() {
			b.ServeHTTP(w, r)
			return
		}
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		c := conversation{path: r.RequestURI, origin: r.Header.Get("Origin"), cookie: r.Header.Get("Cookie"), protocol: conn.Protocol()}
		c.code = serveLegacy(conn, &c)
		b.ended <- c
	}))
	t.Cleanup(server.Close)
	b.address = server.Listener.Addr().String()
	return b
}

// serveLegacy is what a backend does, and returns how the client ended.
func serveLegacy(conn *legacy.Conn, c *conversation) (code int) {
	err := conn.WriteText("welcome")
	for err == nil {
		var text string
		if text, err = conn.ReadText(); err != nil {
			break
		}
		c.messages++
		c.bytes += len(text)
		command, rest, _ := strings.Cut(text, " ")
		switch command {
		case "!close":
			// PhantomJS neither answers FF 00 nor closes TCP.
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			conn.Shutdown(ctx)
			cancel()
			return websocket.CloseNormalClosure
		case "!drop":
			err = conn.Close()
		case "!burst":
			n, _ := strconv.Atoi(rest)
			for i := range n {
				err = errors.Join(err, conn.WriteText(fmt.Sprintf("burst %d", i)))
			}
		default:
			err = conn.WriteText(text)
		}
	}
	if err == io.EOF {
		conn.WriteClose()
		return websocket.CloseNormalClosure
	}
	return websocket.CloseAbnormalClosure
}

// Perl's Protocol::WebSocket and PhantomJS as clients of an Upgrader.
func TestUpgraderServesOldClients(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.require(t)
			b := bothServer(t)
			for _, s := range scenarios {
				path := "/" + s.name + "?x=%2F1"
				out, err := c.command(t, b.address, path, s.name).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "ok - first\n") || strings.Contains(string(out), "not ok") {
					t.Fatalf("%s: the client failed: %v\n%s", s.name, err, out)
				}
				got := b.next(t)
				want := conversation{path: path, origin: c.origin, cookie: c.cookie, messages: s.up, bytes: got.bytes, code: websocket.CloseAbnormalClosure}
				if s.end == byBackend || s.end == byClient && c.closes {
					want.code = websocket.CloseNormalClosure
				}
				if s.name == "subprotocol" {
					want.protocol = "chat"
				}
				if got != want {
					t.Errorf("%s: the server saw\n%+v, want\n%+v", s.name, got, want)
				}
			}
		})
	}
}

// The other half of the same handler, with npm's ws as its client.
func TestUpgraderBesideGorilla(t *testing.T) {
	t.Parallel()
	b := bothServer(t)
	nodeTalks(t, b.address)
	if got := b.next(t); got.messages != 1 || got.code != websocket.CloseNormalClosure {
		t.Errorf("the server saw %+v", got)
	}
}

// Servers of the time under a Dialer, which is as strict as the strictest browser.
func TestDialerOpensOldServers(t *testing.T) {
	t.Parallel()
	for _, device := range devices {
		for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
			t.Run(device.name+"-"+d.String(), func(t *testing.T) {
				device.require(t)
				address := startDevice(t, device.program)
				dial := func() (*legacy.Conn, error) {
					conn, err := (&legacy.Dialer{Dialect: d}).Dial(t.Context(), "ws://"+address+"/demo?x=1")
					if err == nil {
						conn.SetDeadline(time.Now().Add(patience))
						t.Cleanup(func() { conn.Close() })
					}
					return conn, err
				}
				conn, err := dial()
				if len(device.lax) > 0 && device.lax[0] == d {
					if refused := new(legacy.HandshakeError); !errors.As(err, &refused) || refused.Reason() != legacy.BadResponse {
						t.Errorf("a server that makes slips: %v, want %s", err, legacy.BadResponse)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range texts {
					err := conn.WriteText(text)
					if got, readErr := conn.ReadText(); got != text || err != nil || readErr != nil {
						t.Fatalf("got %d bytes, %v, %v, want %d", len(got), err, readErr, len(text))
					}
				}
				if err := conn.Shutdown(t.Context()); err != nil {
					t.Errorf("our closing handshake: %v", err)
				}
				if conn, err = dial(); err != nil {
					t.Fatal(err)
				}
				want := io.ErrUnexpectedEOF
				if device.closes[d] == 1000 && d == legacy.Hixie76 {
					want = io.EOF
				}
				conn.WriteText("close")
				if text, err := conn.ReadText(); err != want {
					t.Errorf("the server closes: %q, %v, want %v", text, err, want)
				}
			})
		}
	}
}
