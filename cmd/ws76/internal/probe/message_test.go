package probe

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// talks accepts a handshake, waits for the client's message and says something.
func talks(t *testing.T, says string) script {
	return func(p *peer) {
		if p.dialect() == legacy.RFC6455 {
			p.Write([]byte("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + modern.AcceptKey(p.r.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n"))
			p.br.Peek(2 + 4 + len("hello"))
		} else {
			h, f := p.handshake()
			h.Accept(p.Conn, p.br, f, time.Minute)
			if got, _ := p.br.Peek(7); string(got) != "\x00hello\xff" {
				t.Errorf("got % x", got)
			}
		}
		p.says("%s", says)
		if says == "" {
			p.rest()
		}
	}
}

func TestProbeMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		attempts []string
		says     string
		outcome  Outcome
		detail   string
		advice   string
	}{
		"an echo":                {[]string{"76", "76-declared", "75-lax"}, "\x00hello\xff", Works, `"hello" came back`, ""},
		"a welcome first":        {[]string{"76"}, "\x00hi\xff\x00hello\xff\x00more\xff", Works, `"hi", "hello" came back`, ""},
		"silence":                {[]string{"76", "75-lax", "13"}, "", Works, "nothing came back", ""},
		"a close":                {[]string{"76"}, "\xff\x00", Ended, "nothing came back, then the end of the connection", "WS76_BINARY"},
		"an end":                 {[]string{"75-lax"}, "\x00hi\xff", Ended, `"hi" came back, then the end of the connection`, "WS76_BINARY"},
		"a frame":                {[]string{"13"}, "\x89\x00\x81\x05hello", Works, `"hello" came back`, ""},
		"a binary frame":         {[]string{"13"}, "\x82\x05hello", Works, `Binary "hello" came back`, ""},
		"a Close frame":          {[]string{"13"}, "\x88\x05\x03\xf0no!", Ended, "nothing came back, then Close 1008 no!", "its log says why"},
		"a frame without an end": {[]string{"13"}, "\x81\x7f\x00\x00\x00\x01\x00\x00\x00\x00", Ended, "a frame of 4294967296 bytes", "its log says why"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipe(t, talks(t, tt.says))
				p.Message = "hello"
				verify(t, p, want{attempts: tt.attempts, outcome: tt.outcome, detail: tt.detail, advice: tt.advice})
			})
		})
	}
}

// All attempts name who makes them.
func TestProbeAgent(t *testing.T) {
	agents := make(chan string, len(all))
	p := serve(t, func(p *peer) {
		agents <- p.r.UserAgent()
		p.accepts()
	})
	p.Agent = "ws76-probe/1.2.3"
	verify(t, p, want{attempts: all, outcome: Works})
	for range all {
		if got := <-agents; got != p.Agent {
			t.Errorf("User-Agent %q", got)
		}
	}
}
