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

// An invalid Host is refused, in the field and in an absolute target, whatever the
// request is. What broke: net/http does not look at the host of an absolute target, so
// the backend saw quotes, spaces and bytes over 7F.
func TestHosts(t *testing.T) {
	for _, test := range []struct {
		target, host string
		saw          string // "" = refused
		reason       translate.Reason
	}{
		{"/demo", "Example.com:8080", "Example.com:8080", ""},
		{"http://user@other.example:81/demo", "example.com", "other.example:81", ""},
		{"/demo", "a,b", "", translate.BadRequest},
		{"http://a,b/demo", "example.com", "", legacy.BadTarget},
	} {
		for name, request := range requests {
			t.Run(name+" "+test.target+" "+test.host, func(t *testing.T) {
				r := newRig(t, func(o *translate.Options) { o.PreserveHost = true })
				if test.saw == "" {
					r.backend.Close() // or a request that passes would wait for it
				}
				c := r.dial()
				c.say(strings.NewReplacer("/demo", test.target, "Host: example.com", "Host: "+test.host).Replace(request))
				if test.saw == "" {
					checkRefusal(t, c, 400, test.reason)
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
