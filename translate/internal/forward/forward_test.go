package forward

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// rulesOf are those of a gateway that trusts 10.0.0.0/8, on a connection with TLS or
// without.
func rulesOf(secure bool) *Rules {
	return &Rules{
		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Backend: "app",
		Secure: func(*http.Request) bool { return secure },
	}
}

func requestFrom(peer string, fields ...string) *http.Request {
	r := &http.Request{Method: "GET", Host: "h.example", RemoteAddr: peer, URL: &url.URL{Path: "/"}, Header: http.Header{}}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// What only a trusted proxy may say, each name spelt out here, because a name that is
// misspelt in the code lets strangers say who they are.
var golden = []string{
	"Cf-Connecting-Ip", "Fastly-Client-Ip", "Forwarded", "Forwarded-For", "Front-End-Https", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
	"X-Envoy-External-Address", "X-Forwarded", "X-Forwarded-Client-Cert", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix",
	"X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Original-Forwarded-For", "X-Original-Url",
	"X-Real-Ip", "X-Rewrite-Url", "X-Url-Scheme",
}

func TestForwardingFields(t *testing.T) {
	ours := []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}
	for _, name := range golden {
		for _, spelt := range []string{name, strings.ReplaceAll(name, "-", "_")} {
			for _, peer := range []string{"192.0.2.1:5", "10.0.0.1:5"} {
				r := requestFrom(peer)
				r.Header[spelt] = []string{"evil"}
				h := r.Header.Clone()
				rulesOf(false).Set(h, r)
				kept := strings.Contains(strings.Join(h[spelt], ","), "evil")
				want := peer == "10.0.0.1:5" && spelt == name
				if name == "X-Forwarded-Proto" {
					want = false // it is written anew
				}
				if kept != want && !(slices.Contains(ours[1:], name) && want) {
					t.Errorf("%s from %s: kept %t, want %t: %v", spelt, peer, kept, want, h)
				}
				if _, left := h[spelt]; left && !kept && !slices.Contains(ours, spelt) {
					t.Errorf("%s from %s is left without its value: %v", spelt, peer, h)
				}
			}
		}
	}
	for _, name := range []string{"X-Real", "X-Other", "Accept"} {
		r := requestFrom("192.0.2.1:5", name+": 1")
		h := r.Header.Clone()
		if rulesOf(false).Set(h, r); h.Get(name) != "1" {
			t.Errorf("%s is gone", name)
		}
	}
}

// validHost over all bytes: what may be in a name, and in a port.
func TestValidHost(t *testing.T) {
	const inName = "-._~!$&'()*+;=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for b := range 256 {
		c := string([]byte{byte(b)})
		name, port := b < 128 && strings.Contains(inName, c), strings.Contains("0123456789", c)
		for s, want := range map[string]bool{c: name, "a" + c: name || c == ":", c + "a": name, "a:" + c: port, "a:8" + c: port, "[::1]:" + c: port, "[" + c + "]": false} {
			if got := ValidHost(s); got != want {
				t.Errorf("%q: %t, want %t", s, got, want)
			}
		}
	}
}

// Brackets are for an IPv6 address without a zone, and end with it.
func TestValidHostInBrackets(t *testing.T) {
	for host, want := range map[string]bool{
		"[2001:db8::1]": true, "[2001:db8::1]:8443": true, "[::ffff:192.0.2.1]": true,
		"[192.0.2.1]": false, "[fe80::1%eth0]": false, "[2001:db8::1": false, "[2001:db8::1:8443": false, "[2001:db8::1]a": false, "[a]": false, "[]": false,
	} {
		if got := ValidHost(host); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}

// The fields of one connection go no further, in a head or in a trailer; those that
// Connection names are gone too, but for what makes a handshake.
func TestHopByHop(t *testing.T) {
	ofConnection := []string{"Connection", "Expect", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
	h := http.Header{"X-Kept": {"1"}, "X-Named": {"1"}, "Origin": {"http://h.example"}}
	trailer := http.Header{"X-Kept": {"1"}}
	for _, name := range ofConnection {
		h[name], trailer[name], trailer[strings.ReplaceAll(name, "-", "_")] = []string{"1"}, []string{"1"}, []string{"1"}
	}
	h["Connection"] = []string{"x-named, Origin"}
	before := len(h)
	if got := EndToEnd(h); len(got) != 2 || got.Get("X-Kept") != "1" || got.Get("Origin") != "http://h.example" {
		t.Errorf("the head is left with %v", got)
	}
	if len(h) != before {
		t.Errorf("the caller's head is %v", h)
	}
	if FilterTrailer(trailer); len(trailer) != 1 || trailer.Get("X-Kept") != "1" {
		t.Errorf("the trailer is left with %v", trailer)
	}
}

// What says who asks, where a message goes or what becomes of it comes in no trailer,
// however it is spelt; each name is spelt out here.
func TestFilterTrailer(t *testing.T) {
	for name, kept := range map[string]bool{
		"Age": false, "Authorization": false, "Cache-Control": false, "Cookie": false, "Date": false, "Expires": false, "Host": false,
		"Location": false, "Max-Forwards": false, "Pragma": false, "Proxy": false, "Proxy-Authenticate": false, "Range": false,
		"Retry-After": false, "Set-Cookie": false, "Vary": false, "Warning": false, "Www-Authenticate": false,
		"If-Match": false, "Content-Length": false, "Content-Type": false, "Origin": false, "Sec-Websocket-Accept": false, "X-Forwarded-For": false,
		"Content-Digest": true, "Etag": true, "Server-Timing": true, "Iffy": true, "Contents": true,
	} {
		for _, spelt := range []string{name, strings.ReplaceAll(name, "-", "_")} {
			trailer := http.Header{spelt: {"1"}}
			if FilterTrailer(trailer); (len(trailer) == 1) != kept {
				t.Errorf("%s is left: %t, want %t", spelt, !kept, kept)
			}
		}
	}
}

// The address that a request counts for.
func TestClientOf(t *testing.T) {
	for _, test := range []struct {
		peer  string
		lines []string
		want  string
	}{
		{"192.0.2.1:5", []string{"X-Forwarded-For: 198.51.100.1"}, "192.0.2.1/32"},
		{"10.0.0.1:5", nil, "10.0.0.1/32"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 10.0.0.2, 10.0.0.3"}, "10.0.0.2/32"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.1, 10.0.0.3"}, "198.51.100.1/32"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 198.51.100.2"}, "198.51.100.2/32"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.1, 198.51.100.2"}, "198.51.100.2/32"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.1, unknown"}, "10.0.0.1/32"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.1:4711"}, "198.51.100.1/32"},
		{"[2001:db8::1]:5", nil, "2001:db8::/64"},
		{"[::ffff:10.0.0.1]:5", []string{"X-Forwarded-For: 2001:db8::7"}, "2001:db8::/64"},
	} {
		if got := rulesOf(false).ClientOf(requestFrom(test.peer, test.lines...)).String(); got != test.want {
			t.Errorf("%s, %s: %s, want %s", test.peer, test.lines, got, test.want)
		}
	}
}

// One function reads scheme and host, in this order.
func TestRequestedURL(t *testing.T) {
	public, _ := url.Parse("wss://public.example")
	for _, test := range []struct {
		id     string
		tls    bool
		public *url.URL
		fields []string
		secure bool
		host   string
	}{
		{"nothing", false, nil, nil, false, "h.example"},
		{"connection", true, nil, []string{"X-Forwarded-Proto: http"}, true, "h.example"},
		{"public", false, public, []string{"X-Forwarded-Proto: http", "X-Forwarded-Host: other"}, true, "public.example"},
		{"proto", false, nil, []string{"X-Forwarded-Proto: https"}, true, "h.example"},
		{"proto-list", false, nil, []string{"X-Forwarded-Proto: WSS, http"}, true, "h.example"},
		{"proto-over-forwarded", false, nil, []string{"X-Forwarded-Proto: http", "Forwarded: proto=https", "X-Forwarded-Ssl: on"}, false, "h.example"},
		{"nonsense-then-forwarded", false, nil, []string{"X-Forwarded-Proto: gopher", "Forwarded: proto=https"}, true, "h.example"},
		{"forwarded", false, nil, []string{"Forwarded: for=192.0.2.9;proto=https;host=f.example"}, true, "f.example"},
		{"forwarded-quoted", false, nil, []string{`Forwarded: For="[2001:db8::1]:5;x,y"; Proto="https"; Host="f.example:8443"`}, true, "f.example:8443"},
		{"forwarded-first", false, nil, []string{"Forwarded: proto=http, proto=https"}, false, "h.example"},
		{"forwarded-second", false, nil, []string{"Forwarded: for=1, proto=https;host=evil"}, false, "h.example"},
		{"forwarded-open-quote", false, nil, []string{`Forwarded: for="x;proto=https`}, false, "h.example"},
		{"forwarded-over-ssl", false, nil, []string{"Forwarded: proto=http", "X-Forwarded-Ssl: on"}, false, "h.example"},
		{"ssl", false, nil, []string{"X-Forwarded-Ssl: on"}, true, "h.example"},
		{"ssl-off", false, nil, []string{"X-Forwarded-Ssl: off"}, false, "h.example"},
		{"scheme", false, nil, []string{"X-Forwarded-Scheme: https"}, true, "h.example"},
		{"protocol", false, nil, []string{"X-Forwarded-Protocol: https"}, true, "h.example"},
		{"url-scheme", false, nil, []string{"X-Url-Scheme: https"}, true, "h.example"},
		{"front-end", false, nil, []string{"Front-End-Https: On"}, true, "h.example"},
		{"any-of-them", false, nil, []string{"X-Forwarded-Scheme: http", "Front-End-Https: on"}, true, "h.example"},
		{"host", false, nil, []string{"X-Forwarded-Host: a.example, b.example", "Forwarded: host=c.example"}, false, "a.example"},
		{"bad-host", false, nil, []string{"X-Forwarded-Host: a/b", "Forwarded: host=c.example"}, false, "c.example"},
		{"bad-hosts", false, nil, []string{"X-Forwarded-Host: a/b", `Forwarded: host="c d"`}, false, "h.example"},
	} {
		t.Run(test.id, func(t *testing.T) {
			rules := rulesOf(test.tls)
			rules.PublicURL = test.public
			r := requestFrom("10.0.0.1:5", test.fields...)
			if secure, host := rules.RequestedURL(r, r.Header); secure != test.secure || host != test.host {
				t.Errorf("secure %t, host %s, want %t, %s", secure, host, test.secure, test.host)
			}
			h := r.Header.Clone() // of a trusted proxy, the backend hears the same
			rules.Set(h, r)
			if got, want := h.Get("X-Forwarded-Proto"), map[bool]string{true: "https", false: "http"}[test.secure]; got != want || h.Get("X-Forwarded-Host") != test.host {
				t.Errorf("the backend hears %s, %s, want %s, %s", got, h.Get("X-Forwarded-Host"), want, test.host)
			}
		})
	}
}

// Whom a request counts for: nobody can choose it by a header of his own.
func TestClientAddresses(t *testing.T) {
	rules := Rules{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fc00::/7")}}
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:1", "", "192.0.2.1/32"},
		{"192.0.2.1:1", "198.51.100.1", "192.0.2.1/32"},
		{"10.0.0.1:1", "", "10.0.0.1/32"},
		{"10.0.0.1:1", "198.51.100.1", "198.51.100.1/32"},
		{"10.0.0.1:1", "203.0.113.9, 198.51.100.1", "198.51.100.1/32"},
		{"10.0.0.1:1", "198.51.100.1, 10.0.0.2", "198.51.100.1/32"},
		{"10.0.0.1:1", "198.51.100.1,nonsense", "10.0.0.1/32"},
		{"10.0.0.1:1", "nonsense, 10.0.0.2", "10.0.0.2/32"},
		{"10.0.0.1:1", "198.51.100.1:4711", "198.51.100.1/32"},
		{"10.0.0.1:1", "[2001:db8::1]:4711, 10.0.0.2:80", "2001:db8::/64"},
		{"[::ffff:10.0.0.1]:1", "198.51.100.1", "198.51.100.1/32"},
		{"[2001:db8::1]:1", "", "2001:db8::/64"},
		{"[2001:db8::ffff:1]:1", "", "2001:db8::/64"},
		{"[fc00::1%eth0]:1", "2001:db8:0:1::7", "2001:db8:0:1::/64"},
		{"nonsense", "198.51.100.1", "invalid Prefix"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := rules.ClientOf(r).String(); got != tt.want {
			t.Errorf("from %s for %q: %s, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}
