package translate_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// speaks is the option of a backend of another dialect.
func speaks(d legacy.Dialect) func(*translate.Options) {
	return func(o *translate.Options) { o.BackendDialect, o.PreserveHost = d, true }
}

// clientKey is a key of version 13 as RFC 6455 section 1.3 has it, with its Accept.
const (
	clientKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	clientAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func modernHead(version string, lines ...string) string {
	return "GET /demo HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://example.com\r\n" +
		"Sec-WebSocket-Version: " + version + "\r\nSec-WebSocket-Key: " + clientKey + "\r\n" + strings.Join(lines, "") + "\r\n"
}

func modernAnswer(lines ...string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + clientAccept + "\r\n" + strings.Join(lines, "") + "\r\n"
}

// acceptLegacy answers the gateway as a server of its dialect.
func (b *backendConn) acceptLegacy(protocol string) {
	b.Helper()
	d, err := legacy.Detect(b.request)
	if err != nil || !d.Legacy() {
		b.Fatalf("backend: a handshake of %s, %v", d, err)
	}
	hs, err := legacy.NewHandshake(b.request, d, nil)
	if err != nil {
		b.Fatalf("backend: %v", err)
	}
	fields := legacy.ResponseFields{Location: legacy.Location(false, b.request.Host, hs.Resource), Protocol: protocol}
	if err := hs.Accept(b, b.br, fields, patience); err != nil {
		b.Fatalf("backend: %v", err)
	}
}

// openPair is a client and a backend whose opening handshakes are complete.
func (r *rig) openPair(client legacy.Dialect) (*client, *backendConn) {
	r.Helper()
	request, answer := modernHead(client.String()), modernAnswer()
	if client.Legacy() {
		request, answer = handshake(client)
	}
	c := r.dial()
	c.say(request)
	b := r.backend.next()
	b.acceptLegacy("")
	c.get(answer)
	return c, b
}

// hear fails unless exactly these bytes come next.
func (b *backendConn) hear(want string) {
	b.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(b.br, got); err != nil || string(got) != want {
		b.Fatalf("backend: got %.200q, %v, want %.200q", got[:n], err, want)
	}
}

// hearEnd fails unless exactly this is still to come, and then the end of TCP.
func (b *backendConn) hearEnd(want string) {
	b.Helper()
	if got, err := io.ReadAll(b.br); err != nil || string(got) != want {
		b.Errorf("backend: got %.200q to the end, %v, want %.200q", got, err, want)
	}
}

// fromModern is a masked frame.
func fromModern(op modern.Opcode, payload string) string {
	return string(modern.AppendFrame(nil, true, op, []byte(payload), modern.Key{1, 2, 3, 4}))
}

// The backend gets a handshake as a browser of its time sent it, with keys of the
// gateway's, and the client is answered when the backend's answer was right.
func TestLegacyBackendHandshake(t *testing.T) {
	for _, d := range both {
		for _, version := range []string{"13", "8", "7"} {
			t.Run(d.String()+"-for-"+version, func(t *testing.T) {
				r := newRig(t, speaks(d))
				c := r.dial()
				c.say(modernHead(version, "Cookie: a=1\r\n", "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
				b := r.backend.next()
				got := b.request
				if got.Host != "example.com" || got.RequestURI != "/demo" || got.Header.Get("Origin") != "http://example.com" || got.Header.Get("Cookie") != "a=1" ||
					got.Header.Get("X-Forwarded-For") != "127.0.0.1" || got.Header.Get("Upgrade") != "WebSocket" {
					t.Errorf("the backend gets %q %q %v", got.Host, got.RequestURI, got.Header)
				}
				if got.Header.Get("X-Forwarded-Proto")+got.Header.Get("X-Forwarded-Host") != "" {
					t.Errorf("the backend hears of another URL: %v", got.Header)
				}
				for name := range got.Header {
					if strings.HasPrefix(name, "Sec-Websocket-Ext") || name == "Sec-Websocket-Key" || name == "Sec-Websocket-Version" {
						t.Errorf("the backend gets %s", name)
					}
				}
				b.acceptLegacy("chat")
				c.get(modernAnswer("Sec-WebSocket-Protocol: chat\r\n"))
			})
		}
	}
}

// A backend that answers as no browser accepts is refused, with its own reason, and a
// refusal of the backend's is the client's.
func TestLegacyBackendAnswers(t *testing.T) {
	location := "Sec-WebSocket-Location: ws://example.com/demo\r\n"
	for id, test := range map[string]struct {
		answer string
		lax    bool
		status int
		reason translate.Reason
	}{
		"digest":       {answer76 + digest, false, 502, legacy.BadResponse},
		"location":     {strings.Replace(answer76, location, "", 1) + digest, false, 502, legacy.BadResponse},
		"location-lax": {strings.Replace(answer76, location, "", 1) + digest, true, 502, legacy.BadResponse}, // the digest is wrong too
		"no-http":      {"hello\r\n\r\n", false, 502, modern.BadResponse},
		"refused":      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot today", false, 403, translate.BackendRefused},
	} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t, speaks(legacy.Hixie76), func(o *translate.Options) { o.BackendLax = test.lax })
			c := r.dial()
			c.say(modernHead("13"))
			b := r.backend.next()
			b.say(test.answer)
			b.CloseWrite()
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil || resp.StatusCode != test.status {
				t.Fatalf("got %v, %v, want %d", resp, err, test.status)
			}
			r.refused(legacy.RFC6455, test.reason)
		})
	}
}

// What is accepted by way of exception is in the log.
func TestLegacyBackendSlip(t *testing.T) {
	r := newRig(t, speaks(legacy.Hixie75), func(o *translate.Options) { o.BackendLax = true })
	c := r.dial()
	c.say(modernHead("13"))
	b := r.backend.next()
	b.say(strings.Replace(answer75, "WebSocket-Location: ws://example.com/demo\r\n", "", 1))
	c.get(modernAnswer())
	r.log.want(t, "slip of the backend accepted", map[string]any{"slip": legacy.SlipNoLocation, "dialect": "75", "client": c.LocalAddr().String()})
}

func TestBackendOriginAndHost(t *testing.T) {
	r := newRig(t, speaks(legacy.Hixie76), func(o *translate.Options) { o.BackendOrigin, o.BackendHost = "http://device", "device:81" })
	c := r.dial()
	c.say(modernHead("13"))
	b := r.backend.next()
	if b.request.Host != "device:81" || b.request.Header.Get("Origin") != "http://device" {
		t.Errorf("the backend gets %q, %v", b.request.Host, b.request.Header)
	}
	b.acceptLegacy("")
	c.get(modernAnswer())
}

func TestBadKeyIsRefused(t *testing.T) {
	r := newRig(t, speaks(legacy.Hixie76))
	c := r.dial()
	c.say(strings.Replace(modernHead("13"), clientKey, "c2hvcnQ=", 1))
	if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.StatusCode != 400 {
		t.Fatalf("got %v, %v", resp, err)
	}
	r.refused(legacy.RFC6455, translate.BadKey)
	r.backend.untouched()
}

// Messages pass both ways, for every pair of dialects.
func TestLegacyBackendMessages(t *testing.T) {
	long := strings.Repeat("ä€😀", 20_000)
	for _, d := range both {
		for _, version := range []legacy.Dialect{legacy.RFC6455, legacy.Hybi08, legacy.Hybi07} {
			t.Run(d.String()+"-for-"+version.String(), func(t *testing.T) {
				r := newRig(t, speaks(d))
				c, b := r.openPair(version)
				c.say(fromModern(modern.Text, "hällo"))
				b.hear("\x00hällo\xff")
				c.say(string(modern.AppendFrame(nil, false, modern.Text, []byte("a\xe2"), modern.Key{9, 9, 9, 9})) + fromModern(modern.Ping, "are you there"))
				c.get("\x8a\rare you there")
				c.say(fromModern(modern.Continuation, "\x82\xac"))
				b.hear("\x00a€\xff")
				c.say(fromModern(modern.Text, long))
				b.hear("\x00" + long + "\xff")
				b.say("\x00hello\xff\x80\x03abc\x00a\xf0b\xff")
				c.get(text("hello") + text("a\ufffdb"))
				b.say("\x00" + long + "\xff")
				if got := c.message(); got != long {
					t.Errorf("got %d bytes, want %d", len(got), len(long))
				}
			})
		}
	}
}

// message is the next text message, of one frame or of several.
func (c *client) message() (message string) {
	c.Helper()
	for {
		var head []byte
		var h modern.Header
		for ok := false; !ok; {
			var err error
			if head, err = c.br.Peek(len(head) + 1); err != nil {
				c.Fatal(err)
			}
			h, ok = modern.ParseHeader(head)
		}
		frame := make([]byte, h.Size+int(h.Length))
		if _, err := io.ReadFull(c.br, frame); err != nil {
			c.Fatal(err)
		}
		message += string(frame[h.Size:])
		if h.Fin {
			return message
		}
	}
}

// Between -75 and -76 the frames pass, and FF 00 where it is known.
func TestHixieBetweenHixies(t *testing.T) {
	t.Parallel()
	t.Run("76-for-75", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, speaks(legacy.Hixie76))
		c, b := r.openPair(legacy.Hixie75)
		c.say("\x00a\xff\xff\x00\x00b\xff") // FF 00 says nothing
		b.hear("\x00a\xff\x00b\xff")
		b.say("\x00c\xff\xff\x00")
		c.end("\x00c\xff")
		b.hear("\xff\x00")
		b.Close()
		r.closed(translate.Closed{Dialect: legacy.Hixie75, By: translate.ByBackend, Reason: translate.BackendClosed})
	})
	t.Run("75-for-76", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, speaks(legacy.Hixie75))
		c, b := r.openPair(legacy.Hixie76)
		c.say("\x00a\xff")
		b.hear("\x00a\xff")
		b.say("\x00c\xff")
		b.CloseWrite()
		c.end("\x00c\xff\xff\x00")
		c.Close()
		r.closed(translate.Closed{Dialect: legacy.Hixie76, By: translate.ByBackend, Reason: translate.BackendClosed})
	})
}

// Where the dialects are the same, only the handshakes are ended at the gateway: each
// side has keys of its own, and the frames pass as they are.
func TestSameDialectPasses(t *testing.T) {
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t, speaks(d))
			c, b := r.openPair(d)
			if d == legacy.Hixie76 && b.request.Header.Get("Sec-WebSocket-Key1") == "4 @1  46546xW%0l 1 5" {
				t.Error("the backend gets the client's key")
			}
			const frames = "\x00a\xfe\xff\x81\x02xy\xff\x00"
			c.say(frames)
			b.hear(frames)
			b.say(frames)
			b.CloseWrite()
			c.end(frames)
		})
	}
}

// Every end is told in the words of each side.
func TestLegacyBackendEnds(t *testing.T) {
	t.Parallel()
	for id, test := range map[string]struct {
		backend    legacy.Dialect
		act        func(c *client, b *backendConn)
		toClient   string
		toBackend  string
		by         translate.Side
		reason     translate.Reason
		shutsFirst bool
	}{
		"client-closes-76": {legacy.Hixie76, func(c *client, b *backendConn) { c.say(fromModern(modern.Close, "\x03\xe8bye")) },
			bye(1000), "\xff\x00", translate.ByClient, translate.ClientClosed, false},
		"client-closes-75": {legacy.Hixie75, func(c *client, b *backendConn) { c.say(fromModern(modern.Close, "\x0f\xa0")) },
			bye(4000), "", translate.ByClient, translate.ClientClosed, false},
		"client-gone": {legacy.Hixie76, func(c *client, b *backendConn) { c.CloseWrite() },
			"", "", translate.ByClient, translate.ClientGone, false},
		"backend-closes-76": {legacy.Hixie76, func(c *client, b *backendConn) { b.say("\xff\x00") },
			bye(1000), "\xff\x00", translate.ByBackend, translate.BackendClosed, false},
		"backend-ends-76": {legacy.Hixie76, func(c *client, b *backendConn) { b.CloseWrite() },
			bye(1001), "", translate.ByBackend, translate.BackendGone, false},
		"backend-ends-75": {legacy.Hixie75, func(c *client, b *backendConn) { b.CloseWrite() },
			bye(1000), "", translate.ByBackend, translate.BackendClosed, false},
		"backend-cut-75": {legacy.Hixie75, func(c *client, b *backendConn) { b.say("\x00abc"); b.CloseWrite() },
			bye(1001), "", translate.ByBackend, translate.BackendGone, false},
		"client-utf8": {legacy.Hixie76, func(c *client, b *backendConn) { c.say(fromModern(modern.Text, "a\xff")) },
			bye(1007), "", translate.ByClient, translate.InvalidUTF8, false},
		"client-binary": {legacy.Hixie76, func(c *client, b *backendConn) { c.say(fromModern(modern.Binary, "\xff")) },
			bye(1003), "\xff\x00", translate.ByClient, translate.BinaryMessage, false},
		"client-mask": {legacy.Hixie76, func(c *client, b *backendConn) { c.say("\x81\x02hi") },
			bye(1002), "", translate.ByClient, modern.WrongMask, false},
		"client-too-big": {legacy.Hixie76, func(c *client, b *backendConn) { c.say(fromModern(modern.Text, strings.Repeat("a", 1001))) },
			bye(1009), "\xff\x00", translate.ByClient, modern.MessageTooBig, false},
		"backend-too-big": {legacy.Hixie76, func(c *client, b *backendConn) { b.say("\x00" + strings.Repeat("a", 1001)) },
			bye(1009), "\xff\x00", translate.ByBackend, legacy.MessageTooBig, false},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, speaks(test.backend), func(o *translate.Options) { o.Limits.Message, o.Binary = 1000, translate.BinaryText })
			c, b := r.openPair(legacy.RFC6455)
			test.act(c, b)
			c.end(test.toClient)
			c.Close()
			b.hearEnd(test.toBackend)
			b.Close()
			r.closed(translate.Closed{Dialect: legacy.RFC6455, By: test.by, Reason: test.reason})
		})
	}
}

// At its own end the gateway says goodbye to both sides, in their own words.
func TestLegacyBackendShutdown(t *testing.T) {
	r := newRig(t, speaks(legacy.Hixie76))
	c, b := r.openPair(legacy.RFC6455)
	done := make(chan error, 1)
	go func() { done <- r.gw.Shutdown(t.Context()) }()
	c.end(bye(1001))
	c.say(fromModern(modern.Close, "\x03\xe9"))
	c.Close()
	b.hearEnd("\xff\x00")
	b.say("\xff\x00")
	b.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The modern side is pinged, which here is the client; one that does not answer is
// gone.
func TestClientIsPinged(t *testing.T) {
	t.Parallel()
	r := newRig(t, speaks(legacy.Hixie76), func(o *translate.Options) { o.Timeouts.Ping = 200 * time.Millisecond })
	c, b := r.openPair(legacy.RFC6455)
	c.get("\x89\x00")
	c.say(fromModern(modern.Pong, ""))
	c.get("\x89\x00") // and is silent from now on
	c.end(bye(1001))
	c.Close()
	b.hearEnd("")
	b.Close()
	r.closed(translate.Closed{Dialect: legacy.RFC6455, By: translate.ByClient, Reason: translate.ClientSilent})
}

// What a legacy client sends as base64 reaches the backend as it was.
func TestBinaryUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *translate.Options) { o.BinaryUp = true })
	c, b := r.open(legacy.Hixie76)
	c.say("\x00AAH/\xff")
	b.get("\x82\x03\x00\x01\xff")
	c.say("\x00AAH\xff")
	b.end(bye(1007))
	c.all()
	r.closed(translate.Closed{Dialect: legacy.Hixie76, By: translate.ByClient, Reason: translate.InvalidBase64})
}

// A legacy client that has been sent nothing for a while gets the text, but not inside
// a message.
func TestKeepAliveText(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *translate.Options) { o.KeepAliveText, o.Timeouts.Ping = "tick", time.Second })
	c, b := r.open(legacy.Hixie76)
	pings := make(chan string, 100)
	go func() {
		defer close(pings)
		for frame, err := b.readFrame(); err == nil; frame, err = b.readFrame() {
			pings <- frame
			io.WriteString(b, "\x8a\x00")
		}
	}()
	c.get("\x00tick\xff")
	b.say("\x01\x03abc")
	c.get("\x00abc")
	<-pings // two of them are more than an interval apart
	<-pings
	<-pings
	b.say("\x80\x03def")
	c.get("def\xff\x00tick\xff")
}

// Whatever gorilla says as a client, a server of -76 or -75 hears it, and the other way
// round.
func TestLegacyBackendOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 6))
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t, speaks(d))
			opened := make(chan error, 1)
			var conn *websocket.Conn
			go func() {
				var err error
				conn, _, err = websocket.DefaultDialer.Dial("ws://"+r.address+"/demo?x=1", http.Header{"Origin": {"http://page.example"}})
				opened <- err
			}()
			b := r.backend.next()
			b.acceptLegacy("")
			if err := <-opened; err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for i := range 200 {
				want := strings.Repeat("ä€😀"[:[]int{2, 5, 9}[i%3]], random.IntN(1<<random.IntN(15)))
				w, err := conn.NextWriter(websocket.TextMessage)
				if err != nil {
					t.Fatal(err)
				}
				for rest := []byte(want); len(rest) > 0; {
					n := 1 + random.IntN(len(rest)) // wherever a character is cut
					w.Write(rest[:n])
					rest = rest[n:]
				}
				w.Close()
				b.hear("\x00" + want + "\xff")
				b.say("\x00" + want + "\xff")
				if kind, got, err := conn.ReadMessage(); err != nil || kind != websocket.TextMessage || !bytes.Equal(got, []byte(want)) {
					t.Fatalf("message %d: got %d bytes of kind %d, %v, want %d", i, len(got), kind, err, len(want))
				}
			}
		})
	}
}
