package checks

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// Origins are compared whole, or by the end of the host.
func TestAllowsOrigin(t *testing.T) {
	for _, test := range []struct {
		list   []string
		origin string // empty: none is sent
		ok     bool
	}{
		{nil, "http://anything", true},
		{nil, "", true},
		{[]string{}, "http://example.com", false},
		{[]string{"http://example.com"}, "http://example.com", true},
		{[]string{"http://example.com"}, "HTTP://Example.com", true},
		{[]string{"http://example.com"}, "https://example.com", false},
		{[]string{"http://example.com"}, "http://example.com:8080", false},
		{[]string{"http://example.com"}, "http://example.com.evil", false},
		{[]string{"http://example.com"}, "", false},
		{[]string{"http://example.com"}, "null", false},
		{[]string{"null"}, "null", true},
		{[]string{"http://a", "http://b"}, "http://b", true},
		{[]string{"*.example.com"}, "http://www.example.com", true},
		{[]string{"*.example.com"}, "https://a.b.EXAMPLE.com:8443", true},
		{[]string{"*.example.com"}, "http://example.com", false},
		{[]string{"*.example.com"}, "http://evilexample.com", false},
		{[]string{"*.example.com"}, "http://www.example.com.evil", false},
		{[]string{"*.example.com"}, "http://evil/?.example.com", false},
		{[]string{"*.example.com"}, "http://evil/.example.com", false},
		{[]string{"*.example.com"}, "http://%zz.example.com", false},
		{[]string{"*.example.com"}, "", false},
		{[]string{"*.Example.com"}, "http://www.example.com", true},
	} {
		if got := AllowsOrigin(test.list, test.origin); got != test.ok {
			t.Errorf("%q in %q: %t, want %t", test.origin, test.list, got, test.ok)
		}
	}
}

// What is wrong with a request, the status of the response, and what the log may have of it.
func TestChecks(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n"
	plain := func(r *http.Request, head string) error { return Plain(r, []byte(head)) }
	oneOrigin := func(r *http.Request, _ string) error { return OneOrigin(r) }
	key := func(r *http.Request, _ string) error { return Key(r) }
	for _, tt := range []struct {
		check  func(r *http.Request, head string) error
		head   string
		reason string // empty: nothing is wrong
		status int
		detail string
	}{
		{plain, get, "", 0, ""},
		{plain, get + "Transfer-Encoding: chunked\r\n", "", 0, ""},
		{plain, get + "Content-Length: 5\r\n", "", 0, ""},
		{plain, get + "content-length: 5\r\ntransfer-encoding: chunked\r\n", AmbiguousFraming, 400, "GET"},
		{plain, "GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", AmbiguousFraming, 400, "GET"},
		{plain, "TRACE / HTTP/1.1\r\nHost: a\r\n", MethodNotSupported, 501, "TRACE"},
		{plain, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n", MethodNotSupported, 501, "CONNECT"},
		{plain, "PRI * HTTP/2.0\r\n", "http-version", 505, "HTTP/2.0"},
		{plain, "GET / HTTP/1.1\r\nHost: a,b\r\n", BadRequest, 400, "Host: a,b"},
		{plain, "GET http://a,b/c?SECRET HTTP/1.1\r\nHost: a\r\n", "bad-target", 400, "http://a,b/c"},
		{oneOrigin, get + "Origin: http://a\r\n", "", 0, ""},
		{oneOrigin, get + "Origin: http://a\r\nOrigin: http://a\r\n", BadRequest, 400, "Origin is there 2 times"},
		{oneOrigin, get + "Sec-WebSocket-Origin: a\r\nSec-WebSocket-Origin: b\r\n", BadRequest, 400, "Sec-Websocket-Origin is there 2 times"},
		{key, get + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 0, ""},
		{key, get + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n", BadKey, 400, "dGhlIHNhbXBsZSBub25jZQ"},
		{key, get + "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n", BadKey, 400, "dGhlIHNhbXBsZQ=="},
		{key, get, BadKey, 400, ""},
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(tt.head + "\r\n")))
		if err != nil {
			t.Fatalf("%q: %v", tt.head, err)
		}
		err = tt.check(r, tt.head)
		if tt.reason == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.head, err)
			}
			continue
		}
		got, ok := err.(*Error)
		if !ok || got.Reason() != tt.reason || got.Status() != tt.status || got.Detail() != tt.detail {
			t.Errorf("%q: %v, want %s, %d, %q", tt.head, err, tt.reason, tt.status, tt.detail)
		}
	}
}

// What net/http says by itself gets a reason; a response of a handler does not.
func TestUnparsed(t *testing.T) {
	for _, tt := range []struct {
		response, came string
		reason         string
		status         int
		detail         string
	}{
		{"HTTP/1.1 400 Bad Request: missing required Host header\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", BadRequest, 400, "missing required Host header"},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x16\x03\x01", BadRequest, 400, "TLS came: this port is for connections without"},
		{"HTTP/1.1 417 Expectation Failed\r\n\r\n", "GET", BadExpectation, 417, ""},
		{"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n", "GET", HeadTooLarge, 431, ""},
		{"HTTP/1.1 501 Not Implemented: Unsupported transfer encoding\r\n\r\n", "GET", BadTransferCoding, 501, "Unsupported transfer encoding"},
		{"HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version\r\n\r\n", "GET", "http-version", 505, "unsupported protocol version"},
		{"HTTP/1.1 200 OK\r\n\r\n", "GET", "", 0, ""},
		{"HTTP/1.1 100 Continue\r\n\r\n", "GET", "", 0, ""},
		{"", "GET", "", 0, ""},
	} {
		got := Unparsed([]byte(tt.response), []byte(tt.came))
		if tt.reason == "" {
			if got != nil {
				t.Errorf("%q: %v", tt.response, got)
			}
			continue
		}
		if got == nil || got.Reason() != tt.reason || got.Status() != tt.status || got.Detail() != tt.detail {
			t.Errorf("%q: %v, want %s, %d, %q", tt.response, got, tt.reason, tt.status, tt.detail)
		}
	}
}

// The Host of a request, in the field and in an absolute target, is one that may go on.
func TestHost(t *testing.T) {
	for _, tt := range []struct {
		target, host string
		reason       string // empty: it may
	}{
		{"/", "Example.com:8080", ""},
		{"/", "a_b.example", ""},
		{"/", "h:", ""},
		{"/", "192.0.2.1", ""},
		{"/", "[2001:db8::1]:80", ""},
		{"/", "[::ffff:192.0.2.1]", ""},
		{"/", "", ""},
		{"http://other.example/", "a", ""},
		{"http://user@other.example:81/", "a", ""},

		{"/", "a:b:c", BadRequest},
		{"/", "a,b", BadRequest},
		{"/", "h:http", BadRequest},
		{"/", ":80", BadRequest},
		{"/", "%61.example", BadRequest},
		{"/", "::1", BadRequest},
		{"/", "[::1", BadRequest},
		{"/", "[192.0.2.1]", BadRequest},
		{"/", "[fe80::1%25eth0]", BadRequest},
		{`http://a"<b>/`, "a", legacy.BadTarget},
		{"http://[fe80::1%25%20x]/", "a", legacy.BadTarget},
		{"http://%ff.com/", "a", legacy.BadTarget},
		{"http://a,b/", "a", legacy.BadTarget},
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + tt.target + " HTTP/1.1\r\nHost: " + tt.host + "\r\n\r\n")))
		if err != nil {
			t.Fatalf("%s, %s: %v", tt.target, tt.host, err)
		}
		reason := ""
		if err := Host(r); err != nil {
			reason = err.(*Error).Reason()
		}
		if reason != tt.reason {
			t.Errorf("%s, %s: %q, want %q", tt.target, tt.host, reason, tt.reason)
		}
	}
}
