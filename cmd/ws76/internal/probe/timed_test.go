package probe

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
)

// What takes time, in bubbles, in which it costs none and is exact.

// A proxy that holds key3 until the 101, before a server that holds the 101
// until key3. The proxy is known by what it answers to others.
func TestProbeHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, func(p *peer) {
			if p.dialect() == legacy.Hixie76 {
				p.rest()
			} else if p.dialect() == legacy.HTTP {
				p.says("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\n\r\n")
			} else {
				p.accepts()
			}
		})
		verify(t, p,
			want{attempts: of76, outcome: Held, proxy: "nginx", detail: "silence", advice: "have ws76 answer, which sends the head of its 101 before it has key3; if it does, nginx: stream"},
			want{attempts: slices.Concat(of75, ofHybi), outcome: Works, proxy: "nginx"},
			want{attempts: ofHTTP, outcome: Works, proxy: "nginx"})
	})
}

// The 101 passes, but nothing that the client sends in one segment with its head.
func TestProbeLostInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, func(p *peer) {
			p.br.Discard(p.br.Buffered())
			p.accepts()
		})
		verify(t, p,
			want{attempts: []string{"76", "76-declared"}, outcome: Lost, detail: "0 of the 16 bytes of the challenge response, then silence", advice: "forward TCP"},
			want{attempts: []string{"76-split", "13"}, outcome: Works})
	})
}

// A split handshake waits for the 101, but not for ever.
func TestProbeSplit(t *testing.T) {
	for name, tt := range map[string]struct {
		takes  time.Duration // the 101
		detail string
		held   bool // key3, until then
	}{
		"at once":              {0, "", true},
		"in time":              {patience - 1, "", true},
		"late":                 {patience + 1, "only after key3", false},
		"needs key3 before it": {0, "only after key3", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipe(t, func(p *peer) {
					if p.br.Buffered() > 0 {
						t.Errorf("key3 came with the head")
					}
					h, a := p.handshake()
					time.Sleep(tt.takes)
					if !tt.held {
						p.br.Peek(8)
					}
					p.Write(h.AppendHead(nil, a))
					response := p.response()
					p.Write(response[:])
					p.rest()
				})
				verify(t, p, want{attempts: []string{"76-split"}, outcome: Works, detail: tt.detail})
			})
		})
	}
}

func TestProbeTimeout(t *testing.T) {
	silence := func(p *peer) { p.rest() }
	for name, tt := range map[string]struct {
		script script
		wants  []want
	}{
		"silent": {silence, []want{
			{attempts: of76, outcome: Held, advice: "the port is the right one"},
			{attempts: slices.Concat(of75, ofHybi, ofHTTP), outcome: Timeout, detail: "no answer, but silence", advice: "the port is the right one"},
		}},
		"half a head": {
			func(p *peer) { p.says("HTTP/1.1 101 Web"); p.rest() },
			[]want{{attempts: all, outcome: Timeout, detail: `after "HTTP/1.1 101 Web"`}},
		},
		"interim answers only": {
			func(p *peer) { p.says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"); p.rest() },
			[]want{{attempts: of75, outcome: Timeout}},
		},
		"a body without end": {
			func(p *peer) { p.says("HTTP/1.1 200 OK\r\n\r\nand"); p.rest() },
			[]want{{attempts: sockets, outcome: Stripped}, {attempts: ofHTTP, outcome: Timeout, detail: "200 OK, whose body broke off: silence"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { verify(t, pipe(t, tt.script), tt.wants...) })
		})
	}
}

// TLS that is never answered, and time that is up before a split handshake has
// waited for its 101.
func TestProbeTimeoutEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, func(p *peer) { p.rest() })
		p.Timeout = patience / 2
		began := time.Now()
		verify(t, p, want{attempts: []string{"76-split"}, outcome: Held})
		if took := time.Since(began); took != p.Timeout {
			t.Errorf("took %s, want %s", took, p.Timeout)
		}
		p.URL.Scheme = "wss"
		verify(t, p, want{attempts: []string{"13"}, outcome: Timeout, detail: "TLS: no answer"})
	})
}

// An app that talks and does not listen: the goodbye is not waited on for long.
func TestProbeLeavesWhoDoesNotListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, func(p *peer) {
			h, a := p.handshake()
			p.Write(h.AppendHead(nil, a))
			for err := error(nil); err == nil; time.Sleep(linger / 10) {
				_, err = p.Write([]byte("\x00news\xff"))
			}
		})
		began := time.Now()
		verify(t, p, want{attempts: []string{strict75}, outcome: Works})
		if took := time.Since(began); took != linger {
			t.Errorf("took %s, want %s", took, linger)
		}
	})
}

// Whoever interrupts a walk does not wait for the attempt that is under way.
func TestProbeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, func(p *peer) { p.rest() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		p.Try(ctx, "13")
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %s after the interruption", took-time.Second)
		}
		if r := p.Try(ctx, "http"); r.Outcome == Works {
			t.Errorf("an attempt after the end: %+v", r)
		}
	})
}
