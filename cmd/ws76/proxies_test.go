package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// Today's proxies between clients of 2010 and the gateway: the programs of
// Debian with the configurations of docker/proxies, started as their comments
// say.

// An outcome is what becomes of a case behind a proxy.
type outcome string

const (
	works   outcome = "works"
	lost    outcome = "lost"    // the gateway gets no key3
	changed outcome = "changed" // the client drops the connection over the answer
)

// A proxyKind is a proxy of the matrix. Everything works behind it, but for the
// exceptions.
type proxyKind struct {
	name     string
	config   string   // below docker/proxies
	edit     []string // of the configuration: old, new, ...
	secure   bool     // towards the client
	settings []string // of the gateway
	except   map[string]outcome

	// What the backend learns about a client at 127.0.0.2 in X-Forwarded-For, with
	// -75 and -76 and with everything else.
	legacy, others string

	keeps  bool   // the connection of a client whose handshake was refused
	seenAs string // by ws76 probe; empty if it cannot be seen
}

// The client as the backend sees it: as the proxy says, with the proxy behind
// it, or the proxy only.
const said, saidAndProxy, onlyProxy = "127.0.0.2", "127.0.0.2, 127.0.0.1", "127.0.0.1"

// A gateway that does not know of the proxy before it must not believe what
// clients say of themselves.
const (
	trusting  = "WS76_TRUSTED_PROXIES=127.0.0.1/32"
	trustless = "WS76_TRUSTED_PROXIES=off"
	required  = "WS76_PROXY_PROTOCOL=required"
	public    = "WS76_PUBLIC_URL=wss://ADDRESS"
)

var (
	// An HTTP proxy writes the 101 its own way; the first -75 browsers compare
	// bytes.
	rewritten = map[string]outcome{"75 strict": changed}

	// What came with the head is in a buffer of net/http, in which the
	// ReverseProxy of this age does not look.
	forgotten = map[string]outcome{"75 strict": changed, "76": lost, "76 glued": lost, "76 two segments": lost}
)

var proxyKinds = []proxyKind{
	{
		name: "nginx", config: "nginx-http/nginx.conf", settings: []string{trusting},
		edit:   []string{"access_log off;", "access_log off; client_body_temp_path /run/nginx-http/body;"}, // not root's
		legacy: saidAndProxy, others: saidAndProxy, keeps: true, seenAs: "nginx", except: rewritten,
	}, {
		name: "Apache", config: "apache/httpd.conf", settings: []string{trusting},
		legacy: saidAndProxy, others: saidAndProxy, keeps: true, seenAs: "apache", except: rewritten,
	}, {
		name: "lighttpd", config: "lighttpd/lighttpd.conf", settings: []string{trusting},
		legacy: saidAndProxy, others: saidAndProxy, keeps: true, seenAs: "lighttpd", except: rewritten,
	}, {
		name: "Squid", config: "squid/squid.conf", settings: []string{trusting},
		legacy: saidAndProxy, others: saidAndProxy, keeps: true, seenAs: "squid", except: rewritten,
	}, {
		name: "Caddy 2.6", config: "caddy/Caddyfile", settings: []string{trusting, "WS76_KEY3_TIMEOUT=2s"},
		legacy: saidAndProxy, others: saidAndProxy, keeps: true, seenAs: "caddy", except: forgotten,
	}, {
		name: "Varnish", config: "varnish/default.vcl", settings: []string{trusting},
		legacy: saidAndProxy, others: saidAndProxy, seenAs: "varnish",
	}, {
		name: "HAProxy sniffing", config: "haproxy-sniff/haproxy.cfg", settings: []string{trusting},
		legacy: onlyProxy, others: saidAndProxy,
	}, {
		name: "HAProxy sniffing, PROXY v2", config: "haproxy-sniff/haproxy.cfg", settings: []string{trusting, required},
		edit:   []string{"gateway ws76:8076", "gateway ws76:8076 send-proxy-v2"},
		legacy: said, others: said,
	}, {
		name: "HAProxy TCP", config: "haproxy-tcp/haproxy.cfg", settings: []string{trustless},
		legacy: onlyProxy, others: onlyProxy,
	}, {
		name: "HAProxy TCP, PROXY v2", config: "haproxy-tcp/haproxy-proxy-v2.cfg", settings: []string{trusting, required},
		legacy: said, others: said,
	}, {
		name: "nginx stream", config: "nginx-stream/nginx.conf", settings: []string{trustless},
		legacy: onlyProxy, others: onlyProxy,
	}, {
		name: "nginx stream, PROXY v1", config: "nginx-stream/nginx.conf", settings: []string{trusting, required},
		edit:   []string{"# proxy_protocol on;", "proxy_protocol on;"},
		legacy: said, others: said,
	}, {
		name: "stunnel", config: "stunnel/stunnel.conf", secure: true, settings: []string{trustless, public},
		legacy: onlyProxy, others: onlyProxy,
	}, {
		name: "stunnel, PROXY v1", config: "stunnel/stunnel-proxy.conf", secure: true, settings: []string{trusting, required, public},
		legacy: said, others: said,
	}, {
		name: "Hitch", config: "hitch/hitch.conf", secure: true, settings: []string{trustless, public},
		legacy: onlyProxy, others: onlyProxy,
	}, {
		name: "Hitch, PROXY v2", config: "hitch/hitch-proxy-v2.conf", secure: true, settings: []string{trusting, required},
		legacy: said, others: said,
	},
}

func TestProxies(t *testing.T) {
	t.Parallel()
	for _, kind := range proxyKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, kind)
			for _, c := range proxyCases {
				t.Run(c.name, func(t *testing.T) { s.check(t, c) })
			}
			if slices.Contains(slices.Collect(maps.Values(kind.except)), lost) {
				s.diagnosed(t)
			}
			t.Run("probe", s.probed)
		})
	}
}

// A stand is a backend, a gateway and a proxy before it.
type stand struct {
	t    *testing.T
	kind proxyKind
	*witness
	gateway
	proxy      *proxy
	admin      string // address of the gateway
	lostBefore bool   // a key3, so that the log has a line about it
}

func newStand(t *testing.T, kind proxyKind) *stand {
	t.Helper()
	config := readProxy(t, kind.config, kind.edit...)
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	w := startWitness(t)
	admin := mustFreeAddress(t)
	settings := []string{"WS76_BACKEND=http://" + w.address, "WS76_ADMIN=" + admin}
	for _, setting := range kind.settings {
		settings = append(settings, strings.ReplaceAll(setting, "ADDRESS", address))
	}
	g := startWatchedGateway(t, settings...)
	f := &proxy{config: config, address: address, gateway: g.listen, secure: kind.secure}
	return &stand{t, kind, w, g, f.start(t), admin, false}
}

// startWatchedGateway starts a gateway whose log is shown if the test fails.
func startWatchedGateway(t *testing.T, settings ...string) gateway {
	t.Helper()
	g := startGateway(t, settings...)
	t.Cleanup(func() {
		if log := g.log(); t.Failed() {
			t.Logf("the gateway's log:\n%s", log)
		} else if strings.Contains(log, "DATA RACE") {
			t.Errorf("the gateway has a data race:\n%s", log)
		}
	})
	return g
}

// check runs a case as a subtest.
func (s *stand) check(t *testing.T, c proxyCase) {
	in := &stand{t, s.kind, s.witness, gateway{t, s.process}, s.proxy, s.admin, s.lostBefore}
	before := in.keysLost()
	got, want := c.run(in, "/"+strings.ReplaceAll(c.name, " ", "-")), s.kind.expected(c.name)
	s.lostBefore = in.lostBefore
	if got != want {
		t.Errorf("%s: %s, want %s", c.name, got, want)
	}
	if got == lost {
		before++
	}
	eventually(t, fmt.Sprintf("count of %v handshakes without key3", before), func() bool { return in.keysLost() == before })
}

// keysLost is how many handshakes the gateway has counted whose key3 did not come.
func (s *stand) keysLost() float64 {
	s.t.Helper()
	_, samples := scrape(s.t, s.admin)
	return number(samples[`ws76_handshakes_refused_total{dialect="76",reason="key3-timeout"}`])
}

// diagnosed is what the gateway says to the operator of a proxy that loses
// key3.
func (s *stand) diagnosed(t *testing.T) {
	for line := range strings.Lines(s.log()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil || fields["@message"] != "handshake damaged on the way" {
			continue
		}
		fault, proxy, change := fields["fault"], fields["proxy"], fields["change"]
		if fault == "held" && (proxy == "go" || proxy == "caddy") && strings.Contains(change.(string), "Caddy 2.11") {
			return
		}
		t.Errorf("the log says fault=%v proxy=%v change=%v", fault, proxy, change)
	}
	t.Errorf("the log does not say that the proxy loses key3")
}

// dial connects to the proxy from the address of a client.
func (s *stand) dial() net.Conn {
	s.t.Helper()
	conn, err := s.proxy.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// request is the handshake of a browser that opens a path of the proxy.
func (s *stand) request(d legacy.Dialect, path string) *legacy.Request {
	scheme := "ws"
	if s.kind.secure {
		scheme = "wss"
	}
	return legacy.NewRequest(d, &url.URL{Scheme: scheme, Host: s.proxy.address, Path: path})
}

func (s *stand) write(conn net.Conn, b []byte) {
	s.t.Helper()
	if _, err := conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// ended is what became of the conversation that ended next, as the backend and
// the gateway's log tell it.
func (s *stand) ended() (conversation, map[string]any) {
	s.t.Helper()
	return s.witness.next(s.t), s.logged("connection closed")
}
