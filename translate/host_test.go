package translate_test

import (
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// requests are one of every kind, to example.com for /demo.
var requests = map[string]string{
	"75": head75, "76": head76 + key3, "http": "GET /demo HTTP/1.1\r\nHost: example.com\r\n\r\n",
	"13": with(head75, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"),
	"8":  with(head75, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n"),
}

// A Host that is none goes nowhere, wherever it is said. What broke: net/http
// does not look at the host of an absolute target, so the backend saw quotes,
// spaces and bytes over 7F.
func TestHosts(t *testing.T) {
	const badTarget = translate.Reason(legacy.BadTarget)
	for _, test := range []struct {
		target, host string
		saw          string // "" = refused
		reason       translate.Reason
	}{
		{"/demo", "Example.com:8080", "Example.com:8080", ""},
		{"/demo", "a_b.example", "a_b.example", ""},
		{"/demo", "h:", "h:", ""},
		{"/demo", "192.0.2.1", "192.0.2.1", ""},
		{"/demo", "[2001:db8::1]:80", "[2001:db8::1]:80", ""},
		{"/demo", "[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", ""},
		{"http://other.example/demo", "example.com", "other.example", ""},
		{"http://user@other.example:81/demo", "example.com", "other.example:81", ""},

		{"/demo", "a:b:c", "", translate.BadRequest},
		{"/demo", "a,b", "", translate.BadRequest},
		{"/demo", "h:http", "", translate.BadRequest},
		{"/demo", ":80", "", translate.BadRequest},
		{"/demo", "%61.example", "", translate.BadRequest},
		{"/demo", "::1", "", translate.BadRequest},
		{"/demo", "[::1", "", translate.BadRequest},
		{"/demo", "[192.0.2.1]", "", translate.BadRequest},
		{"/demo", "[fe80::1%25eth0]", "", translate.BadRequest},
		{`http://a"<b>/demo`, "example.com", "", badTarget},
		{"http://[fe80::1%25%20x]/demo", "example.com", "", badTarget},
		{"http://%ff.com/demo", "example.com", "", badTarget},
		{"http://a,b/demo", "example.com", "", badTarget},
	} {
		for name, request := range requests {
			t.Run(name+" "+test.target+" "+test.host, func(t *testing.T) {
				r := newRig(t, func(o *translate.Options) { o.PreserveHost = true })
				c := r.dial()
				c.say(strings.NewReplacer("/demo", test.target, "Host: example.com", "Host: "+test.host).Replace(request))
				if test.saw == "" {
					checkRefusal(t, c, 400, test.reason)
					r.backend.untouched()
					return
				}
				saw := r.backend.next().request
				if forwarded := saw.Header.Get("X-Forwarded-Host"); saw.Host != test.saw || forwarded != test.saw {
					t.Errorf("the backend saw Host %q, X-Forwarded-Host %q, want %q", saw.Host, forwarded, test.saw)
				}
			})
		}
	}
}
