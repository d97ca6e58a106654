package legacy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// Without the head, the two rarities get lost and nothing else.
func TestNewHandshakeWithoutHead(t *testing.T) {
	list := plus(plus(swap(head75, "\r\n\r\n", "\r\nCookie: \r\n\r\n"), key1, key2), "Sec-WebSocket-Protocol: a,b")
	for _, test := range []struct {
		head, withHead, without string
	}{
		{head76, "", ""},
		{list, "a", "a,b"},
	} {
		for head, want := range map[string]string{test.head: test.withHead, "": test.without} {
			h, err := legacy.NewHandshake(request(t, test.head), legacy.Hixie76, []byte(head))
			if err != nil {
				t.Fatal(err)
			}
			answer := legacy.ResponseFields{}
			if want != "" {
				answer.Protocol = "a"
			}
			got := request(t, swap(string(h.AppendHead(nil, answer)), "HTTP/1.1 101 WebSocket Protocol Handshake", "GET / HTTP/1.1"))
			if got := got.Header.Get("Sec-WebSocket-Protocol"); got != want {
				t.Errorf("head of %d bytes: protocol %q, want %q", len(head), got, want)
			}
		}
	}
	// A head that names a key twice is no better than none.
	if _, err := legacy.NewHandshake(request(t, head76), legacy.Hixie76, []byte(plus(head76, "Sec-WebSocket-Key1: 1"))); err != nil {
		t.Error(err)
	}
	chrome := plus(head75, "Sec-WebSocket-Key1:  !0", "Sec-WebSocket-Key2:  !0")
	if _, err := legacy.NewHandshake(request(t, chrome), legacy.Hixie76, nil); reason(err) != legacy.NoSpaces {
		t.Errorf("got %v, want %s", err, legacy.NoSpaces)
	}
}

// The value of a key is everything behind the colon and one space, as it
// stands in the head.
func TestNewHandshakeRawKey(t *testing.T) {
	for _, test := range []struct {
		id, key1 string
		reason   string
	}{
		{"leading-space", "Sec-WebSocket-Key1:  10", ""},
		{"no-separator", "Sec-WebSocket-Key1:1 0", ""},
		{"lower-case", "sec-websocket-key1: 1 0", ""},
		{"trailing-space", "Sec-WebSocket-Key1: 10 ", ""},
		{"only-the-separator", "Sec-WebSocket-Key1: 10", legacy.NoSpaces},
		{"one-more-space", "Sec-WebSocket-Key1: 1   01 ", legacy.NotMultiple},
		{"too-long", "Sec-WebSocket-Key1: 1 0" + strings.Repeat("x", 254), legacy.KeyTooLong},
	} {
		t.Run(test.id, func(t *testing.T) {
			if _, err := open(t, plus(head75, test.key1, key2)); reason(err) != test.reason {
				t.Errorf("got %v, want %q", err, test.reason)
			}
		})
	}
}

func TestResource(t *testing.T) {
	for _, test := range []struct {
		target, want string // want "" = BadTarget
	}{
		{"/", "/"},
		{"/demo", "/demo"},
		{"/demo?", "/demo?"},
		{"/?a=b&c", "/?a=b&c"},
		{"//host/path", "//host/path"},
		{"/a%20b/%7eX?%zz", "/a%20b/%7eX?%zz"},
		{"/caf\u00e9", "/caf\u00e9"},
		{"/go?to=http://other/path", "/go?to=http://other/path"},
		{"http://example.com", "/"},
		{"http://example.com/", "/"},
		{"http://example.com:8080/demo?q", "/demo?q"},
		{"HTTP://Example.com/Demo", "/Demo"},
		{"ws://example.com?q", "/?q"},
		{"ws://example.com?q=/x", "/?q=/x"},
		{"http://example.com/go?to=http://other/path", "/go?to=http://other/path"},
		{"*", ""},
		{"example.com:80", ""},
		{"mailto:demo", ""},
		{"mailto:demo?to=http://other/path", ""},
		{"mailto:x://y/z", ""},
		{"/a://b/c", "/a://b/c"},
		{"http:///path", "/path"},
		{"http://example.com//path", "//path"},
		{"/a#b", ""},
		{"/#", ""},
	} {
		t.Run(test.target, func(t *testing.T) {
			r := request(t, swap(head76, "/demo", test.target))
			got, ok := legacy.Resource(r)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, test.want)
			}
			h, err := legacy.NewHandshake(r, legacy.Hixie76, nil)
			if (reason(err) == legacy.BadTarget) == ok || ok && (err != nil || h.Resource != test.want) {
				t.Errorf("NewHandshake: %+v, %v", h, err)
			}
		})
	}
}

// Nor is it a target where net/http has not looked.
func TestResourceOfAnyRequest(t *testing.T) {
	for _, target := range []string{"a/b://c/d", "?a://b/c", "/a b", "/a\r\nb", ""} {
		if got, ok := legacy.Resource(&http.Request{RequestURI: target}); ok {
			t.Errorf("%q: %q", target, got)
		}
	}
}

// A folded line is one to net/http and two to whoever reads the head, so there
// is none in a handshake.
func TestCheckHead(t *testing.T) {
	for head, want := range map[string]string{
		"":                               "",
		head76:                           "",
		plus(head75, "A: b \t", "C:\td"): "",
		plus(head76, "A: b\r\n c"):       legacy.FoldedHead,
		plus(head76, "A:\r\n\tb"):        legacy.FoldedHead,
		strings.Replace(head76, " @1 ", "\r\n @1", 1):          legacy.FoldedHead,
		strings.ReplaceAll(plus(head75, "A: b\n c"), "\r", ""): legacy.FoldedHead,
	} {
		if got := reason(legacy.CheckHead([]byte(head))); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
		if head == "" {
			continue
		}
		r := request(t, head76)
		if _, err := legacy.NewHandshake(r, legacy.Hixie76, []byte(head)); reason(err) != want {
			t.Errorf("NewHandshake: %q: %v, want %q", head, err, want)
		}
	}
}

// What net/http lets nobody send may still stand in a request made by hand.
func TestControlCharacters(t *testing.T) {
	for _, c := range []string{"\r\nX: y", "\r", "\n", "\x00", "\x1f", "\t", "\x7f", " "} {
		r := request(t, head75)
		r.RequestURI = "/demo" + c
		if _, err := legacy.NewHandshake(r, legacy.Hixie75, nil); reason(err) != legacy.BadTarget {
			t.Errorf("target %q: %v, want %s", c, err, legacy.BadTarget)
		}
		if c == " " {
			continue // an opaque origin of a 2010 browser may well have one
		}
		r = request(t, head75)
		r.Header.Set("Origin", "http://example.com"+c)
		if _, err := legacy.NewHandshake(r, legacy.Hixie75, nil); reason(err) != legacy.BadOrigin {
			t.Errorf("origin %q: %v, want %s", c, err, legacy.BadOrigin)
		}
	}
}

func TestOrigin(t *testing.T) {
	longest := "http://" + strings.Repeat("a", 4096-len("http://"))
	for _, origin := range []string{"null", "file://", "chrome-extension://abc", "HTTP://Example.COM/", "http://a b", longest} {
		h := mustOpen(t, swap(head75, "http://example.com", origin))
		want := "\r\nWebSocket-Origin: " + origin + "\r\n"
		if got := string(h.AppendHead(nil, legacy.ResponseFields{})); !strings.Contains(got, want) {
			t.Errorf("got %q, want in it %q", got, want)
		}
	}
	if _, err := open(t, swap(head75, "http://example.com", longest+"a")); reason(err) != legacy.BadOrigin {
		t.Errorf("4097 bytes: %v, want %s", err, legacy.BadOrigin)
	}
	for _, head := range []string{head75, head76} {
		h := mustOpen(t, swap(head, "Origin: http://example.com\r\n", ""))
		if got := string(h.AppendHead(nil, legacy.ResponseFields{})); h.Origin != "" || strings.Contains(got, "Origin") {
			t.Errorf("-%s without Origin: got %q", h.Dialect, got)
		}
	}
}

func TestCheckBody(t *testing.T) {
	for _, test := range []struct {
		d      legacy.Dialect
		field  string
		reason string
	}{
		{legacy.Hixie75, "Content-Length: 0", ""},
		{legacy.Hixie75, "Content-Length: 8", legacy.BodyNotAllowed},
		{legacy.Hixie75, "Transfer-Encoding: chunked", legacy.BodyNotAllowed},
		{legacy.Hixie76, "Content-Length: 0", ""},
		{legacy.Hixie76, "Content-Length: 7", legacy.BodyNotAllowed},
		{legacy.Hixie76, "Content-Length: 8", ""},
		{legacy.Hixie76, "Content-Length: 8\r\nContent-Length: 8", ""},
		{legacy.Hixie76, "Content-Length: 9", legacy.BodyNotAllowed},
		{legacy.Hixie76, "Transfer-Encoding: chunked", legacy.BodyNotAllowed},
		{legacy.Hybi07, "Content-Length: 0", ""},
		{legacy.Hybi08, "Content-Length: 8", legacy.BodyNotAllowed},
		{legacy.RFC6455, "Content-Length: 8", legacy.BodyNotAllowed},
		{legacy.RFC6455, "Transfer-Encoding: chunked", legacy.BodyNotAllowed},
	} {
		t.Run(test.d.String()+"/"+test.field, func(t *testing.T) {
			r := request(t, plus(head76, test.field))
			if err := legacy.CheckBody(r, test.d); reason(err) != test.reason {
				t.Errorf("got %v, want %q", err, test.reason)
			}
			if !test.d.Legacy() {
				return
			}
			if _, err := legacy.NewHandshake(r, test.d, nil); reason(err) != test.reason {
				t.Errorf("NewHandshake: %v, want %q", err, test.reason)
			}
		})
	}
}

func TestDeclared(t *testing.T) {
	for head, want := range map[string]bool{
		head75: false, head76: false,
		plus(head76, "Content-Length: 0"): false,
		plus(head76, "Content-Length: 8"): true,
	} {
		if h := mustOpen(t, head); h.Declared != want {
			t.Errorf("%q: declared %v, want %v", head, h.Declared, want)
		}
	}
}

func TestProtocols(t *testing.T) {
	for _, test := range []struct {
		value string
		want  string // the list, joined with "|"; "" = BadProtocol
	}{
		{"chat", "chat"},
		{"chat,superchat", "chat|superchat"},
		{"chat, superchat", "chat|superchat"},
		{"a,b,a, b", "a|b"},
		{"a,,b,", "a|b"},
		{"a,\tb", "a|b"},
		{"!#$%&'*+-.^_`|~09Az", "!#$%&'*+-.^_`|~09Az"},
		{"", ""},
		{",", ""},
		{"my chat", ""},
		{"a, my chat", ""},
		{"http://example.com", ""},
		{"a;b", ""},
		{"\"a\"", ""},
		{"caf\u00e9", ""},
		{"\xff", ""},
	} {
		t.Run(test.value, func(t *testing.T) {
			for head, name := range map[string]string{head75: "WebSocket-Protocol: ", head76: "Sec-WebSocket-Protocol: "} {
				h, err := open(t, plus(head, name+test.value))
				if test.want == "" {
					if reason(err) != legacy.BadProtocol {
						t.Errorf("got %v, want %s", err, legacy.BadProtocol)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(h.Protocols(), "|"); got != test.want || h.Protocol != test.value {
					t.Errorf("got %q of %q, want %q", got, h.Protocol, test.want)
				}
				// Any one of the list is answered with the whole string.
				first, _, _ := strings.Cut(test.want, "|")
				got := string(h.AppendHead(nil, legacy.ResponseFields{Protocol: first}))
				if want := "\r\n" + name + test.value + "\r\n"; !strings.Contains(got, want) {
					t.Errorf("got %q, want in it %q", got, want)
				}
			}
		})
	}
}

// Only the characters of RFC 9110 section 5.6.2 make a token; a comma ends it.
func TestTokens(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := byte(0); c < 0x80; c++ {
		if c == ',' {
			continue
		}
		value := "a" + string(rune(c)) + "b"
		r := request(t, head75)
		r.Header["Websocket-Protocol"] = []string{value}
		_, err := legacy.NewHandshake(r, legacy.Hixie75, nil)
		want := ""
		if !strings.Contains(token, string(rune(c))) {
			want = legacy.BadProtocol
		}
		if reason(err) != want {
			t.Errorf("%q: %v, want %q", value, err, want)
		}
	}
}

// The two drafts have names of their own and do not read each other's.
func TestProtocolField(t *testing.T) {
	for head, field := range map[string]string{head75: "Sec-WebSocket-Protocol: chat", head76: "WebSocket-Protocol: chat"} {
		if h := mustOpen(t, plus(head, field)); h.Protocol != "" || len(h.Protocols()) != 0 {
			t.Errorf("-%s took %q from %q", h.Dialect, h.Protocol, field)
		}
	}
	twice := plus(head75, "WebSocket-Protocol: a", "WebSocket-Protocol: b")
	if _, err := open(t, twice); reason(err) != legacy.BadProtocol {
		t.Errorf("twice: %v, want %s", err, legacy.BadProtocol)
	}
}

func TestCheckProtocol(t *testing.T) {
	for _, test := range []struct {
		asked, selected string
		ok              bool
	}{
		{"", "", true},
		{"", "chat", false},
		{"chat", "chat", true},
		{"chat", "", false},
		{"chat", "Chat", false},
		{"chat", "superchat", false},
		{"chat,superchat", "superchat", true},
		{"chat,superchat", "chat,superchat", false},
		{"chat,superchat", "", false},
	} {
		h := legacy.Handshake{Protocol: test.asked}
		want := legacy.ProtocolMismatch
		if test.ok {
			want = ""
		}
		if err := h.CheckProtocol(test.selected); reason(err) != want {
			t.Errorf("asked %q, selected %q: %v, want %q", test.asked, test.selected, err, want)
		}
	}
}

// Flash sends Cookie before the keys and its list behind them; any other order
// is a browser that wants the whole list.
func TestFlashOrder(t *testing.T) {
	const cookie, list = "Cookie: ", "Sec-WebSocket-Protocol: a,b"
	for _, test := range []struct {
		id     string
		fields []string
		want   string
	}{
		{"flash", []string{cookie, key1, key2, list}, "b"},
		{"flash-extra", []string{cookie, key1, key2, "X-Extra: 1", list}, "b"},
		{"flash-lower-case", []string{strings.ToLower(cookie), key1, key2, strings.ToLower(list)}, "b"},
		{"flash-one", []string{cookie, key1, key2, "Sec-WebSocket-Protocol: b"}, "b"},
		{"no-cookie", []string{key1, key2, list}, "a,b"},
		{"webkit", []string{list, cookie, key1, key2}, "a,b"},
		{"chrome", []string{list, key1, key2, cookie}, "a,b"},
		{"cookie-last", []string{key1, key2, list, cookie}, "a,b"},
		{"between", []string{cookie, key1, list, key2}, "a,b"},
		{"cookie2", []string{"Cookie2: $Version=1", key1, key2, list}, "a,b"},
		{"x-cookie", []string{"X-Cookie: a=1", key1, key2, list}, "a,b"},
	} {
		t.Run(test.id, func(t *testing.T) {
			got := string(mustOpen(t, plus(head75, test.fields...)).AppendHead(nil, legacy.ResponseFields{Protocol: "b"}))
			if want := "Sec-WebSocket-Protocol: " + test.want + "\r\n\r\n"; !strings.HasSuffix(got, want) {
				t.Errorf("got %q, want the end %q", got, want)
			}
		})
	}
}

func TestLocation(t *testing.T) {
	for _, test := range []struct {
		secure         bool
		host, resource string
		want           string
	}{
		{false, "example.com", "/", "ws://example.com/"},
		{false, "Example.COM", "/Demo?Q", "ws://example.com/Demo?Q"},
		{false, "example.com:80", "/", "ws://example.com/"},
		{false, "example.com:443", "/", "ws://example.com:443/"},
		{false, "example.com:8080", "/", "ws://example.com:8080/"},
		{false, "example.com:180", "/", "ws://example.com:180/"},
		{true, "example.com", "/", "wss://example.com/"},
		{true, "example.com:443", "/", "wss://example.com/"},
		{true, "example.com:80", "/", "wss://example.com:80/"},
		{false, "[2001:DB8::80]", "/", "ws://[2001:db8::80]/"},
		{false, "[::1]:80", "/", "ws://[::1]/"},
		{true, "[::1]:443", "/?", "wss://[::1]/?"},
	} {
		if got := legacy.Location(test.secure, test.host, test.resource); got != test.want {
			t.Errorf("%v, %q, %q: got %q, want %q", test.secure, test.host, test.resource, got, test.want)
		}
	}
}

// Every cookie has a line of its own, all of them behind what WebKit compares.
func TestAppendHeadCookies(t *testing.T) {
	const want = "prefix HTTP/1.1 101 Web Socket Protocol Handshake\r\n" +
		"Upgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"WebSocket-Origin: http://example.com\r\nWebSocket-Location: ws://example.com/demo\r\n" +
		"Set-Cookie: a=1; path=/\r\nSet-Cookie: b=2, c\r\n\r\n"
	got := string(mustOpen(t, head75).AppendHead([]byte("prefix "), legacy.ResponseFields{
		Location: "ws://example.com/demo", SetCookie: []string{"a=1; path=/", "b=2, c"},
	}))
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
