package translate_test

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/proxies"
)

func trustsLoopback(o *translate.Options) {
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// through opens a -76 connection of a client with this address through nginx.
func (r *rig) through(address string, lines ...string) (*client, *backendConn) {
	r.Helper()
	c := r.dial()
	c.say(with(head75, keys, "X-Real-IP: "+address+"\r\nX-Forwarded-For: "+address+"\r\n") + key3)
	b := r.backend.next()
	b.accept()
	c.get(answer76 + digest)
	return c, b
}

// leaves opens a connection and closes it at once.
func (r *rig) leaves(address string) {
	r.Helper()
	c, b := r.through(address)
	c.CloseWrite()
	b.end(bye(1001))
	c.all()
}

// diagnosed waits until so many handshakes have been diagnosed, for certain and perhaps.
func (r *rig) diagnosed(faults, doubts map[proxies.Fault]int64) {
	r.Helper()
	eventually(r, func() bool {
		s := r.gw.Stats()
		return maps.Equal(s.Faults, faults) && maps.Equal(s.Doubts, doubts)
	}, func() any {
		s := r.gw.Stats()
		return fmt.Sprintf("faults %v, doubts %v, want %v, %v", s.Faults, s.Doubts, faults, doubts)
	})
}

type faults = map[proxies.Fault]int64

const (
	certain = "handshake damaged on the way"
	perhaps = "handshake may have been damaged on the way"
)

// One client that leaves at once accuses nobody: its user may have reloaded the page.
func TestDiagnosisNeedsThreeClients(t *testing.T) {
	r := newRig(t, trustsLoopback)
	for range 3 {
		r.leaves("192.0.2.1")
	}
	r.leaves("192.0.2.2")
	r.diagnosed(nil, faults{proxies.Lost: 4})
	r.log.want(t, perhaps, map[string]any{"@level": "info", "fault": "lost", "proxy": "nginx"})
	if r.log.has(certain, nil) {
		t.Error("a proxy is accused")
	}
	r.leaves("192.0.2.3")
	r.diagnosed(faults{proxies.Lost: 1}, faults{proxies.Lost: 4})
	r.log.want(t, certain, map[string]any{"@level": "warn", "fault": "lost", "proxy": "nginx"})
}

// A -76 client that sends a message through the same proxy acquits it, open or closed.
func TestDiagnosisAcquits(t *testing.T) {
	for name, closes := range map[string]bool{"open": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, trustsLoopback)
			c, b := r.through("192.0.2.9")
			c.say("\x00hello\xff")
			b.get(text("hello"))
			eventually(r, func() bool { return r.gw.Stats().Traffic[legacy.Hixie76].MessagesUp == 1 }, func() any { return r.gw.Stats() }) // counted when it has left
			if closes {
				c.CloseWrite()
				b.end(bye(1001))
				c.all()
				r.closed(translate.Closed{Dialect: legacy.Hixie76, By: translate.ByClient, Reason: translate.ClientGone})
			}
			for i := range 4 {
				r.leaves(fmt.Sprintf("192.0.2.%d", i))
			}
			r.diagnosed(nil, faults{proxies.Lost: 4})
			if !closes {
				c.CloseWrite()
				b.end(bye(1001))
				c.all()
			}
		})
	}
}

// An app on a host of its own is no fault.
func TestDiagnosisOfAnotherHost(t *testing.T) {
	r := newRig(t, trustsLoopback)
	c := r.dial()
	c.say("GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: chat.example.com\r\nOrigin: http://www.example.com\r\n" +
		keys + "X-Real-IP: 192.0.2.1\r\n\r\n" + key3)
	b := r.backend.next()
	b.accept()
	c.br.Discard(len(answer76) + len(digest)) // the Location has 5 bytes more, and so has Origin
	c.CloseWrite()
	b.end(bye(1001))
	c.all()
	r.diagnosed(nil, faults{proxies.Rewritten: 1})
	if r.log.has(certain, nil) {
		t.Error("a proxy is accused")
	}
}

// nginx without proxy_http_version 1.1 is named, with its line.
func TestDiagnosisOfHTTP10(t *testing.T) {
	for name, head := range map[string]string{
		"-76":     "GET /demo HTTP/1.0\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nHost: a\r\nOrigin: http://a\r\n" + keys + "\r\n" + key3,
		"RFC6455": "GET /demo HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\nHost: a\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(head)
			c.all()
			r.diagnosed(faults{proxies.Downgraded: 1}, nil)
			r.log.want(t, certain, map[string]any{"fault": "downgraded", "proxy": "nginx", "change": "nginx, in location: proxy_http_version 1.1;"})
		})
	}
}
