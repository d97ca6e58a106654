package opening

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/codec"
	"github.com/ws76/ws76/translate/internal/forward"
)

const (
	common = "Host: page.example\r\nOrigin: http://page.example\r\nCookie: a=1\r\nX-Real-Ip: 6.6.6.6\r\nX-Own: 1\r\nWebSocket-Protocol: sample\r\n"
	head75 = "GET /chat?x HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" + common + "\r\n"
	head76 = "GET /chat?x HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" + common +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nSec-WebSocket-Protocol: sample\r\n\r\n"
	head13 = "GET /chat?x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + common +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: x\r\n\r\n"
	head8 = "GET /chat?x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Origin: http://old.example\r\n" + common +
		"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: x\r\n\r\n"
)

func newHandshake(t *testing.T, backend legacy.Dialect, head string, heads Heads) (Handshake, error) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:5"
	d, err := legacy.Detect(r)
	if err != nil {
		t.Fatal(err)
	}
	config := &Config{
		Backend: &modern.Dialer{Open: func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { // takes the head, and is gone
				io.ReadAtLeast(far, make([]byte, 64<<10), 1)
				far.Close()
			}()
			return near, nil
		}},
		Rules:   &forward.Rules{Backend: "app", Prefix: "/pre", Secure: func(*http.Request) bool { return false }},
		Dialect: backend,
	}
	return config.New(r, d, []byte(head), heads)
}

// What the backend is asked, for each pair of dialects: no field of a stranger's that says
// who the client is, none of the client's own handshake where ws76 makes another, and all
// others.
func TestAsked(t *testing.T) {
	own := []string{"x-own: 1", "cookie: a=1", "x-forwarded-for: 192.0.2.1", "x-forwarded-proto: http", "x-forwarded-host: page.example", "host: app"}
	for _, tt := range []struct {
		name    string
		head    string
		backend legacy.Dialect
		want    []string // lines, in small letters
		not     []string
	}{
		{"75 to 13", head75, legacy.RFC6455, append([]string{"get /pre/chat?x http/1.1", "sec-websocket-version: 13", "origin: http://page.example"}, own...), []string{"x-real-ip", "\nwebsocket-protocol"}},
		{"76 to 13", head76, legacy.RFC6455, append([]string{"sec-websocket-version: 13", "sec-websocket-protocol: sample"}, own...), []string{"x-real-ip", "key1", "key2", "\nwebsocket-protocol"}},
		{"13 to 13", head13, legacy.RFC6455, append([]string{"sec-websocket-key: dghlihnhbxbszsbub25jzq==", "sec-websocket-extensions: x", "origin: http://page.example"}, own...), []string{"x-real-ip"}},
		{"8 to 13", head8, legacy.RFC6455, append([]string{"sec-websocket-version: 13", "origin: http://old.example"}, own...), []string{"x-real-ip", "sec-websocket-origin", "sec-websocket-extensions"}},
		{"13 to 76", head13, legacy.Hixie76, []string{"get /pre/chat?x http/1.1", "upgrade: websocket", "host: app", "cookie: a=1", "origin: http://page.example", "x-own: 1"}, []string{"x-real-ip", "sec-websocket-key:", "version", "extensions", "x-forwarded-host", "x-forwarded-proto"}},
		{"76 to 75", head76, legacy.Hixie75, []string{"websocket-protocol: sample", "host: app", "x-own: 1"}, []string{"key1", "key2", "x-real-ip"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := ""
			hs, err := newHandshake(t, tt.backend, tt.head, func(isSent bool, head []byte) {
				if isSent {
					sent += string(head)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := hs.Dial(ctx); err == nil {
				t.Fatal("a backend that is gone has answered")
			}
			lines := "\n" + strings.ReplaceAll(strings.ToLower(sent), "\r", "")
			for _, want := range tt.want {
				if strings.Count(lines, "\n"+want+"\n") != 1 {
					t.Errorf("no %q, or two, in %q", want, sent)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(lines, not) {
					t.Errorf("%q in %q", not, sent)
				}
			}
		})
	}
}

// Which way the messages of each pair of dialects go.
func TestCodecs(t *testing.T) {
	for _, tt := range []struct {
		head     string
		backend  legacy.Dialect
		up, down bool
	}{
		{head75, legacy.RFC6455, true, true},
		{head76, legacy.RFC6455, true, true},
		{head8, legacy.RFC6455, true, false},
		{head13, legacy.RFC6455, false, false},
		{head76, legacy.Hixie76, false, false},
		{head75, legacy.Hixie76, true, true},
		{head13, legacy.Hixie75, true, true},
	} {
		hs, err := newHandshake(t, tt.backend, tt.head, nil)
		if err != nil {
			t.Fatal(err)
		}
		up, down := hs.Codecs(&codec.Summary{})
		if (up != nil) != tt.up || (down != nil) != tt.down {
			t.Errorf("-%s to -%s: %T, %T", hs.Dialect(), tt.backend, up, down)
		}
		if key3, _ := hs.Key3(); (key3 != nil) != (hs.Dialect() == legacy.Hixie76) {
			t.Errorf("-%s: key3 %v", hs.Dialect(), key3)
		}
		if hs.Misplaced() {
			t.Errorf("-%s: misplaced", hs.Dialect())
		}
	}
	hs, err := newHandshake(t, legacy.RFC6455, strings.Replace(head76, "Host: page.example", "Host: other.example", 1), nil)
	if err != nil || !hs.Misplaced() {
		t.Errorf("another host: %v, not misplaced", err)
	}
}

// A handshake that must not go on is refused before anybody is asked.
func TestRefuses(t *testing.T) {
	again := func(head string) string {
		return strings.Replace(head, "\r\n\r\n", "\r\nOrigin: http://page.example\r\n\r\n", 1)
	}
	badHost := func(head string) string { return strings.Replace(head, "page.example", "a,b", 1) }
	for name, tt := range map[string]struct {
		head    string
		backend legacy.Dialect
		reason  string
	}{
		"75 origins": {again(head75), legacy.RFC6455, "bad-request"},
		"76 origins": {again(head76), legacy.RFC6455, "bad-request"},
		"13 origins": {again(head13), legacy.RFC6455, "bad-request"},
		"75 host":    {badHost(head75), legacy.RFC6455, "bad-request"},
		"13 host":    {badHost(head13), legacy.RFC6455, "bad-request"},
		"13 key":     {strings.Replace(head13, "dGhl", "dGh", 1), legacy.Hixie76, "bad-key"},
		"13 target":  {strings.Replace(head13, "/chat?x", "*", 1), legacy.RFC6455, "bad-target"},
		"76 key1":    {strings.Replace(head76, "4 @1  46546xW%0l 1 5", "no digits", 1), legacy.RFC6455, "no-digits"},
	} {
		_, err := newHandshake(t, tt.backend, tt.head, nil)
		reason, ok := err.(interface{ Reason() string })
		if !ok || reason.Reason() != tt.reason {
			t.Errorf("%s: %v, want %s", name, err, tt.reason)
		}
	}
}
