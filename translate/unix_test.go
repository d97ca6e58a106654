package translate_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

func mustListenUnix(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// Who may write to our Unix socket is a trusted proxy: what it says of its client goes on
// and counts for the limits, and nothing is added, for it has no address.
func TestUnixPeerIsTrusted(t *testing.T) {
	front := mustListenUnix(t)
	r := newRigOn(t, front, func(o *translate.Options) { o.Limits.ConnectionsPerClient, o.PreserveHost = 1, true })
	open := func(client string) (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("unix", front.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, with(head76, "X-Forwarded-For: "+client+"\r\nX-Forwarded-Proto: https\r\n")+key3)
		return conn, bufio.NewReader(conn)
	}
	first, br := open("192.0.2.7")
	b := r.backend.next()
	if got := b.request.Header; got.Get("X-Forwarded-For") != "192.0.2.7" || got.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("the backend gets %v", got)
	}
	b.accept()
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Location") != "wss://example.com/demo" {
		t.Fatalf("got %v, %v", resp, err)
	}
	_, second := open("192.0.2.7")
	if resp, err := http.ReadResponse(second, nil); err != nil || resp.StatusCode != 429 {
		t.Errorf("the same client gets %v, %v", resp, err)
	}
	_, third := open("192.0.2.8")
	r.backend.next().accept()
	if resp, err := http.ReadResponse(third, nil); err != nil || resp.StatusCode != 101 {
		t.Errorf("another client gets %v, %v", resp, err)
	}
	br.Discard(16) // the challenge response
	b.say(text("hello"))
	got := make([]byte, 7)
	if _, err := io.ReadFull(br, got); err != nil || string(got) != "\x00hello\xff" {
		t.Errorf("got %q, %v", got, err)
	}
	io.WriteString(first, "\x00hi\xff")
	b.get(text("hi"))
}

// A backend on a Unix socket carries WebSocket and plain HTTP.
func TestUnixBackend(t *testing.T) {
	t.Parallel()
	app := mustListenUnix(t)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(w, "host "+r.Host)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
			modern.AcceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n"+text("hello"))
		io.Copy(io.Discard, rw)
	})}
	go server.Serve(app)
	t.Cleanup(func() { server.Close() })
	r := newRig(t, func(o *translate.Options) {
		o.Backend.Address, o.BackendHost = "unix:"+app.Addr().String(), "localhost"
	})
	c := r.dial()
	c.say("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "host localhost" {
		t.Errorf("plain HTTP: %s %q", resp.Status, body)
	}
	request, answer := handshake(legacy.Hixie76)
	w := r.dial()
	w.say(request)
	w.get(answer + "\x00hello\xff")
	w.say("\xff\x00")
	if got := w.all(); !strings.HasPrefix(got, "\xff\x00") {
		t.Errorf("at the end: %q", got)
	}
}
