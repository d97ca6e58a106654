package translate_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

func trusting(o *translate.Options) {
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8")}
}

// What the backend gets of a client's request, besides what the vectors say.
func TestForwardedFields(t *testing.T) {
	long := strings.Repeat("x", 4000)
	for _, test := range []struct {
		id      string
		options func(*translate.Options)
		lines   []string
		want    map[string]string // "" = not there
	}{
		{"nothing-said", nil, nil, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "example.com",
			"User-Agent": "", "Accept-Encoding": "",
		}},
		{"untrusted", nil, []string{
			"X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "Forwarded: for=198.51.100.1", "X-Real-IP: 198.51.100.1",
			"X-Forwarded-Prefix: /admin", "X-Forwarded-Client-Cert: Subject=root", "True-Client-IP: 198.51.100.1", "Front-End-Https: on",
		}, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "example.com", "Forwarded": "", "X-Real-Ip": "",
			"X-Forwarded-Prefix": "", "X-Forwarded-Client-Cert": "", "True-Client-Ip": "", "Front-End-Https": "",
		}},
		{"underscores", trusting, []string{"X_Forwarded_For: 198.51.100.1", "x_forwarded-proto: https", "X_REAL_IP: 198.51.100.1", "X_Other: 1"}, map[string]string{
			"X_forwarded_for": "", "X_forwarded-Proto": "", "X_real_ip": "", "X_other": "1", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		}},
		{"trusted", trusting, []string{
			"X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: public", "Forwarded: for=198.51.100.1", "X-Real-IP: 198.51.100.1",
			"X-Forwarded-Prefix: /app", "True-Client-IP: 198.51.100.1",
		}, map[string]string{
			"X-Forwarded-For": "198.51.100.1, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "public",
			"Forwarded": "for=198.51.100.1", "X-Real-Ip": "198.51.100.1", "X-Forwarded-Prefix": "/app", "True-Client-Ip": "198.51.100.1",
		}},
		{"trusted-lists", trusting, []string{"X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 198.51.100.2, 198.51.100.3"}, map[string]string{
			"X-Forwarded-For": "198.51.100.1, 198.51.100.2, 198.51.100.3, 127.0.0.1",
		}},
		{"cookies", nil, []string{"Cookie: a=1; b=2", "Cookie: ", "Cookie: c=3", "Cookie2: $Version=1"}, map[string]string{
			"Cookie": "a=1; b=2; c=3", "Cookie2": "$Version=1",
		}},
		{"empty-cookies", nil, []string{"Cookie: ", "Cookie: "}, map[string]string{"Cookie": ""}},
		{"one-hop", nil, []string{
			"Keep-Alive: timeout=5", "TE: trailers", "Trailer: X", "Proxy-Authorization: Basic eDp5", "Proxy-Connection: keep-alive",
			"Connection: X-Secret, keep-alive ,x-other", "X-Secret: 1", "X-Other: 1", "X-Kept: 1",
		}, map[string]string{
			"Keep-Alive": "", "Te": "", "Trailer": "", "Proxy-Authorization": "", "Proxy-Connection": "", "X-Secret": "", "X-Other": "", "X-Kept": "1",
			"Connection": "Upgrade",
		}},
		// Connection takes no field of a handshake away, nor what the proxies before us say.
		{"named-in-connection", trusting, []string{
			"Connection: origin, X-Forwarded-For, x-forwarded-proto, Forwarded, X-Real-IP, X-Secret", "X-Secret: 1",
			"X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: https", "Forwarded: for=198.51.100.1", "X-Real-IP: 198.51.100.1",
		}, map[string]string{
			"Origin": "http://example.com", "X-Forwarded-For": "198.51.100.1, 127.0.0.1", "X-Forwarded-Proto": "https",
			"Forwarded": "for=198.51.100.1", "X-Real-Ip": "198.51.100.1", "X-Secret": "",
		}},
		{"expect", nil, []string{"Expect: 100-continue"}, map[string]string{"Expect": ""}},
		{"handshake", nil, []string{
			"Sec-WebSocket-Draft: 0", "Sec-WebSocket-Location: ws://x/", "WebSocket-Origin: x", "Sec-WebSocket-Accept: x", "Sec-WebSocket-Extensions: x",
		}, map[string]string{
			"Sec-Websocket-Draft": "", "Sec-Websocket-Location": "", "Websocket-Origin": "", "Sec-Websocket-Accept": "", "Sec-Websocket-Extensions": "",
			"Sec-Websocket-Version": "13",
		}},
		{"the-rest", nil, []string{
			"Authorization: Basic eDp5", "User-Agent: Mozilla/5.0", "Accept-Language: en", "X-Long: " + long, "X-Twice: 1", "X-Twice: 2",
		}, map[string]string{
			"Authorization": "Basic eDp5", "User-Agent": "Mozilla/5.0", "Accept-Language": "en", "X-Long": long, "X-Twice": "1|2",
		}},
	} {
		for _, d := range both {
			t.Run(test.id+"-"+d.String(), func(t *testing.T) {
				got := backendRequest(t, d, test.options, test.lines...)
				for name, want := range test.want {
					values, there := got.Header[name]
					if got := strings.Join(values, "|"); got != want || there != (want != "") {
						t.Errorf("%s: %.200q, there: %t, want %.200q", name, got, there, want)
					}
				}
			})
		}
	}
}

// The backend is told the scheme and host that the Location has, but for what
// proxies say that are not trusted; so are -75, -76, tunnels and plain HTTP.
// What broke: behind WS76_PUBLIC_URL=wss:// it was told http.
func TestForwardedScheme(t *testing.T) {
	public := func(s string) func(*translate.Options) {
		return func(o *translate.Options) {
			trusting(o)
			o.PublicURL, _ = url.Parse(s)
		}
	}
	const (
		https = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: said.example\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-Scheme: https\r\n" +
			"X-Forwarded-Protocol: https\r\nX-Url-Scheme: https\r\nFront-End-Https: on\r\n" +
			"Forwarded: for=198.51.100.1;proto=https;host=said.example\r\n"
		http = "X-Forwarded-Proto: http\r\nForwarded: for=198.51.100.1;proto=http\r\n"
	)
	for _, test := range []struct {
		id          string
		options     func(*translate.Options)
		tls         bool // as the connection shows it
		lines       string
		proto, host string
		kept        bool // Forwarded, and the rarer ones
	}{
		{"nothing", nil, false, "", "http", "example.com", false},
		{"untrusted", nil, false, https, "http", "example.com", false},
		{"trusted", trusting, false, https, "https", "said.example", true},
		{"trusted-plain", trusting, false, http, "http", "example.com", true},
		{"trusted-wss-list", trusting, false, "X-Forwarded-Proto: wss, http\r\nX-Forwarded-Host: said.example, inner\r\n", "https", "said.example", false},
		{"trusted-nonsense", trusting, false, "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a/b\r\n", "http", "example.com", false},
		{"trusted-quotes", trusting, false, "X-Forwarded-Host: a\"<b>\r\n", "http", "example.com", false},
		{"trusted-colons", trusting, false, "X-Forwarded-Host: a:b:c\r\n", "http", "example.com", false},
		{"tls", trusting, true, http, "https", "example.com", false},
		{"public", public("wss://public.example"), false, http, "https", "public.example", false},
		{"public-plain", public("ws://public.example:8080"), true, https, "http", "public.example:8080", false},
	} {
		for name, request := range requests {
			t.Run(test.id+"-"+name, func(t *testing.T) {
				front := listen(t)
				if test.tls {
					front = secureListener{front}
				}
				if test.options == nil {
					test.options = func(*translate.Options) {}
				}
				r := newRigOn(t, front, test.options)
				c := r.dial()
				c.say(strings.Replace(request, "\r\n\r\n", "\r\n"+test.lines+"\r\n", 1))
				header := r.backend.next().request.Header
				for name, want := range map[string]string{"X-Forwarded-Proto": test.proto, "X-Forwarded-Host": test.host} {
					if got := strings.Join(header[name], "|"); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				for _, name := range []string{"Forwarded", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Url-Scheme", "Front-End-Https"} {
					want := test.kept && strings.Contains(test.lines, name+":")
					if got := header.Get(name); (got != "") != want {
						t.Errorf("%s: %q, want it: %t", name, got, want)
					}
				}
			})
		}
	}
}

// backendRequest is what the backend gets for a handshake with these lines.
func backendRequest(t *testing.T, d legacy.Dialect, change func(*translate.Options), lines ...string) *http.Request {
	t.Helper()
	if change == nil {
		change = func(*translate.Options) {}
	}
	r := newRig(t, change)
	request, answer := handshake(d)
	head, tail, _ := strings.Cut(request, "\r\n\r\n")
	c := r.dial()
	c.say(strings.Join(append([]string{head}, lines...), "\r\n") + "\r\n\r\n" + tail)
	b := r.backend.next()
	b.accept()
	c.get(answer[:len("HTTP/1.1 101 ")])
	return b.request
}

// Host and target of the request are the backend's own, or the client's.
func TestForwardedTarget(t *testing.T) {
	for _, test := range []struct {
		id           string
		options      func(*translate.Options)
		host, target string // host "" = the backend's address
	}{
		{"default", nil, "", "/demo"},
		{"host", func(o *translate.Options) { o.PreserveHost = true }, "example.com", "/demo"},
		{"prefix", func(o *translate.Options) { o.PathPrefix = "/app%2F" }, "", "/app%2F/demo"},
	} {
		for _, d := range both {
			t.Run(test.id+"-"+d.String(), func(t *testing.T) {
				want := test.host
				got := backendRequest(t, d, func(o *translate.Options) {
					if want == "" {
						want = o.Backend.Address
					}
					if test.options != nil {
						test.options(o)
					}
				})
				if got.Host != want || got.RequestURI != test.target {
					t.Errorf("host %s, target %s, want %s, %s", got.Host, got.RequestURI, want, test.target)
				}
			})
		}
	}
}

// The Location is what the page has opened, as far as can be told.
func TestLocation(t *testing.T) {
	public := func(s string) func(*translate.Options) {
		return func(o *translate.Options) { o.PublicURL, _ = url.Parse(s) }
	}
	for _, test := range []struct {
		id      string
		options func(*translate.Options)
		host    string
		lines   string
		want    string
	}{
		{"host", nil, "example.com", "", "ws://example.com/demo"},
		{"upper-case", nil, "Example.COM:8080", "", "ws://example.com:8080/demo"},
		{"own-port", nil, "example.com:80", "", "ws://example.com/demo"},
		{"other-port", nil, "example.com:443", "", "ws://example.com:443/demo"},
		{"ipv6", nil, "[::1]:8080", "", "ws://[::1]:8080/demo"},
		{"proto", nil, "example.com", "X-Forwarded-Proto: https\r\n", "wss://example.com/demo"},
		{"proto-wss", nil, "example.com:443", "X-Forwarded-Proto: WSS\r\n", "wss://example.com/demo"},
		{"proto-list", nil, "example.com", "X-Forwarded-Proto: https, http\r\n", "wss://example.com/demo"},
		{"proto-plain", nil, "example.com", "X-Forwarded-Proto: http, https\r\n", "ws://example.com/demo"},
		{"forwarded-host", nil, "inner:8076", "X-Forwarded-Host: Public.example, inner\r\n", "ws://public.example/demo"},
		{"forwarded-nonsense", nil, "example.com", "X-Forwarded-Host: a/b\r\n", "ws://example.com/demo"},
		{"both", nil, "inner", "X-Forwarded-Host: public:443\r\nX-Forwarded-Proto: https\r\n", "wss://public/demo"},
		{"public", public("wss://Public.example"), "inner", "X-Forwarded-Host: other\r\nX-Forwarded-Proto: http\r\n", "wss://public.example/demo"},
		{"public-plain", public("ws://public.example:8080"), "inner", "X-Forwarded-Proto: https\r\n", "ws://public.example:8080/demo"},
		{"prefix", func(o *translate.Options) { o.PathPrefix = "/app" }, "example.com", "", "ws://example.com/demo"},
	} {
		for _, d := range both {
			t.Run(test.id+"-"+d.String(), func(t *testing.T) {
				if test.options == nil {
					test.options = func(*translate.Options) {}
				}
				r := newRig(t, test.options)
				request, answer := handshake(d)
				head, tail, _ := strings.Cut(strings.Replace(request, "Host: example.com", "Host: "+test.host, 1), "\r\n\r\n")
				c := r.dial()
				c.say(head + "\r\n" + test.lines + "\r\n" + tail)
				r.backend.next().accept()
				c.get(strings.Replace(answer, "ws://example.com/demo", test.want, 1))
			})
		}
	}
}

// A secureListener knows that its clients come by TLS, which ended before it.
type secureListener struct{ net.Listener }

func (l secureListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return secureConn{conn}, err
}

type secureConn struct{ net.Conn }

func (c secureConn) NetConn() net.Conn          { return c.Conn }
func (c secureConn) Unwrap() (net.Conn, []byte) { return c.Conn, nil }
func (c secureConn) Secure() bool               { return true }

// A connection that says that it is secure is believed, more than any field.
func TestSecureListener(t *testing.T) {
	r := newRigOn(t, secureListener{listen(t)})
	for _, d := range both {
		request, answer := handshake(d)
		head, tail, _ := strings.Cut(request, "\r\n\r\n")
		c := r.dial()
		c.say(head + "\r\nX-Forwarded-Proto: http\r\n\r\n" + tail)
		b := r.backend.next()
		b.accept()
		c.get(strings.Replace(answer, "ws://", "wss://", 1))
		if got := b.request.Header.Get("X-Forwarded-Proto"); got != "https" {
			t.Errorf("X-Forwarded-Proto: %q, want https", got)
		}
	}
}

// All cookies that the backend sets are in the 101, each in a line.
func TestSetCookies(t *testing.T) {
	r := newRig(t)
	for _, d := range both {
		request, answer := handshake(d)
		c := r.dial()
		c.say(request)
		r.backend.next().accept("Set-Cookie: a=1; Path=/\r\n", "X-Other: 1\r\n", "Set-Cookie: b=2\r\n")
		c.get(strings.Replace(answer, "\r\n\r\n", "\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n\r\n", 1))
	}
}

// An Origin that is not allowed is refused; none at all is not allowed either.
func TestOrigins(t *testing.T) {
	for _, test := range []struct {
		origins []string
		origin  string // "-" = none is sent
		ok      bool
	}{
		{nil, "-", true},
		{[]string{"http://example.com"}, "http://example.com", true},
		{[]string{"http://example.com"}, "-", false},
		{[]string{"*.example.com"}, "http://evilexample.com", false},
	} {
		t.Run(fmt.Sprint(test.origins, test.origin), func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Origins = test.origins })
			request, _ := handshake(legacy.Hixie76)
			if test.origin == "-" {
				request = strings.Replace(request, "Origin: http://example.com\r\n", "", 1)
			} else {
				request = strings.Replace(request, "Origin: http://example.com", "Origin: "+test.origin, 1)
			}
			c := r.dial()
			c.say(request)
			if !test.ok {
				checkRefusal(t, c, 403, translate.OriginNotAllowed)
				r.refused(legacy.Hixie76, translate.OriginNotAllowed)
				r.backend.untouched()
				return
			}
			r.backend.next().accept()
			c.get("HTTP/1.1 101 ")
		})
	}
}

// Two origins are one too many, the same one twice too. What broke: the first was
// compared and both went on.
func TestRepeatedOrigin(t *testing.T) {
	for name, test := range map[string]struct{ request, again string }{
		"75":  {requests["75"], "Origin: http://evil\r\n"},
		"76":  {requests["76"], "Origin: http://example.com\r\n"},
		"8":   {requests["8"], "Origin: http://evil\r\n"},
		"8-s": {requests["8"], "Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Origin: http://evil\r\n"},
		"13":  {requests["13"], "Origin: http://evil\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Origins = []string{"http://example.com"} })
			c := r.dial()
			c.say(strings.Replace(test.request, "\r\n\r\n", "\r\n"+test.again+"\r\n", 1))
			checkRefusal(t, c, 400, translate.BadRequest)
			r.backend.untouched()
		})
	}
}

// Proxy would be HTTP_PROXY to a CGI: where it finds the services that it calls.
func TestForwardedNoProxy(t *testing.T) {
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, trusting)
			c := r.dial()
			c.say(strings.Replace(request, "\r\n\r\n", "\r\nProxy: http://evil\r\n\r\n", 1))
			if got, there := r.backend.next().request.Header["Proxy"]; there {
				t.Errorf("the backend saw Proxy %q, want none", got)
			}
		})
	}
}

func TestDialects(t *testing.T) {
	for _, allowed := range [][]legacy.Dialect{nil, {legacy.Hixie76}, {legacy.Hixie75, legacy.RFC6455}, {}} {
		for _, d := range both {
			t.Run(fmt.Sprint(allowed, d), func(t *testing.T) {
				r := newRig(t, func(o *translate.Options) { o.Dialects = allowed })
				if allowed == nil || slices.Contains(allowed, d) {
					r.open(d)
					return
				}
				c := r.dial()
				request, _ := handshake(d)
				c.say(request)
				checkRefusal(t, c, 403, translate.DialectNotAllowed)
				r.refused(d, translate.DialectNotAllowed)
				r.backend.untouched()
			})
		}
	}
}

// A connection counts from the moment that the backend is asked to the moment
// that all of it is closed.
func TestMaxConnections(t *testing.T) {
	r := newRig(t, func(o *translate.Options) {
		o.Limits.Connections = 2
		o.Timeouts.Dial = patience
	})
	full := func() {
		t.Helper()
		c := r.dial()
		c.say(head75)
		resp := checkRefusal(t, c, 503, translate.TooManyConnections)
		if resp.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After: %q, want 1", resp.Header.Get("Retry-After"))
		}
		r.backend.untouched()
	}
	one, b := r.open(legacy.Hixie76)
	asking := r.dial()
	asking.say(head75)
	r.backend.next() // and does not answer
	full()
	asking.Close()
	open := func() (c *client) {
		t.Helper()
		eventually(t, func() bool {
			c = r.dial()
			c.say(head75)
			for len(r.backend.conns) == 0 {
				c.SetReadDeadline(time.Now().Add(time.Millisecond))
				if _, err := c.br.Peek(1); err == nil {
					return false // refused
				}
			}
			r.backend.next().accept()
			return true
		}, func() any { return "no room" })
		c.SetReadDeadline(time.Now().Add(patience))
		c.get(answer75)
		return c
	}
	open()
	full()
	one.CloseWrite()
	b.end(bye(1001))
	open()
	full()
	if got := r.gw.Handshakes(); got < 7 {
		t.Errorf("%d handshakes, want at least 7", got)
	}
}

// What a limit refuses has its status, a reason and a Retry-After.
func TestLimitsRefuse(t *testing.T) {
	for _, tt := range []struct {
		limits translate.Limits
		status int
		reason translate.Reason
	}{
		{translate.Limits{Connections: 1}, 503, translate.TooManyConnections},
		{translate.Limits{ConnectionsPerClient: 1}, 429, translate.TooManyOfClient},
		{translate.Limits{HandshakesPerSecond: 1}, 503, translate.TooManyHandshakes},
	} {
		t.Run(string(tt.reason), func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Limits = tt.limits })
			r.open(legacy.Hixie76)
			c := r.dial()
			c.say(head75)
			if resp := checkRefusal(t, c, tt.status, tt.reason); resp.Header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After: %q, want 1", resp.Header.Get("Retry-After"))
			}
			r.backend.untouched()
			r.refused(legacy.Hixie75, tt.reason)
		})
	}
}

func TestMaxHead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ limit, length, status int }{
		{0, 15 << 10, 101},
		{0, 21 << 10, 431},
		{8 << 10, 13 << 10, 431},
		{64 << 10, 60 << 10, 101},
		{64 << 10, 69 << 10, 431},
	} {
		t.Run(fmt.Sprintf("%d of %d", tt.length, tt.limit), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *translate.Options) { o.Limits.Head = tt.limit })
			c := r.dial()
			c.say(with(head75, "X: "+strings.Repeat("x", tt.length)+"\r\n"))
			if tt.status == http.StatusSwitchingProtocols {
				r.backend.next().accept()
			}
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil || resp.StatusCode != tt.status {
				t.Errorf("%v, %v; want %d", resp, err, tt.status)
			}
		})
	}
}

// At the level trace the log has what passes, in hex and no more than 64 bytes
// of each piece.
func TestTrace(t *testing.T) {
	r := newRig(t, func(o *translate.Options) { o.Logger.SetLevel(hclog.Trace) })
	c, b := r.open(legacy.Hixie76)
	c.say("\x00Hello\xff")
	b.get(text("Hello"))
	b.say("\x81\x7e\x01\x00" + strings.Repeat("x", 256))
	c.get("\x00" + strings.Repeat("x", 256) + "\xff")
	for _, want := range []map[string]any{
		{"what": "read", "side": "client", "dialect": "76", "bytes": 7.0, "hex": "0048656c6c6fff"},
		{"what": "written", "side": "backend", "bytes": 11.0},
		{"what": "read", "side": "backend", "bytes": 260.0, "hex": "817e0100" + strings.Repeat("78", 60)},
		{"what": "written", "side": "client", "bytes": 258.0, "hex": "00" + strings.Repeat("78", 63)},
	} {
		eventually(t, func() bool { return r.log.has("frames", want) }, func() any { return want })
	}
}
