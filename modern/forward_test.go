package modern_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ws76/ws76/modern"
)

// The client's own handshake goes on as it is, with the key it will check the
// answer with.
func TestForwardRequest(t *testing.T) {
	noLeaks(t)
	heads := make(chan string, 1)
	d := &modern.Dialer{Address: serve(t, recording(heads))}
	r := offering(request)
	r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
	mustOpen(t, (*modern.Dialer).Forward, d, r)
	want := "GET /demo HTTP/1.1\r\nHost: backend.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Origin: http://example.com\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Version: 13\r\n\r\n"
	if got := <-heads; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A backend may select what the client has offered, and nothing else.
func TestForwardSelections(t *testing.T) {
	noLeaks(t)
	const (
		ext      = "Sec-WebSocket-Extensions"
		protocol = "Sec-WebSocket-Protocol"
	)
	for id, test := range map[string]struct {
		offered  http.Header
		selected string
		want     string
	}{
		"extension":             {http.Header{ext: {"permessage-deflate"}}, ext + ": permessage-deflate", ""},
		"extension-parameters":  {http.Header{ext: {"permessage-deflate; client_max_window_bits"}}, ext + ": permessage-deflate; server_no_context_takeover", ""},
		"extension-of-a-list":   {http.Header{ext: {"foo, bar;a=1"}}, ext + ": bar", ""},
		"extension-second-line": {http.Header{ext: {"foo", "bar"}}, ext + ": bar", ""},
		"extensions":            {http.Header{ext: {"foo, bar"}}, ext + ": foo;a, bar", ""},
		"extension-empty":       {nil, ext + ": ", ""},
		"extension-other":       {http.Header{ext: {"foo"}}, ext + ": bar", modern.UnofferedExtension},
		"extension-one-other":   {http.Header{ext: {"foo"}}, ext + ": foo, bar", modern.UnofferedExtension},
		"extension-of-none":     {nil, ext + ": foo", modern.UnofferedExtension},
		"extension-parameter":   {http.Header{ext: {"foo; bar"}}, ext + ": bar", modern.UnofferedExtension},
		"protocol":              {http.Header{protocol: {"a"}}, protocol + ": a", ""},
		"protocol-of-a-list":    {http.Header{protocol: {"a,b , c"}}, protocol + ": b", ""},
		"protocol-second-line":  {http.Header{protocol: {"a", "b"}}, protocol + ": b", ""},
		"protocol-of-none":      {nil, protocol + ": a", modern.UnofferedSubprotocol},
		"protocol-list":         {http.Header{protocol: {"a, b"}}, protocol + ": a, b", modern.UnofferedSubprotocol},
		"protocol-twice":        {http.Header{protocol: {"a, b"}}, protocol + ": a\r\n" + protocol + ": a", modern.UnofferedSubprotocol},
	} {
		t.Run(id, func(t *testing.T) {
			r := offering(modern.Request{Host: "a", Target: "/"})
			for name, values := range test.offered {
				r.Header[http.CanonicalHeaderKey(name)] = values
			}
			d := modern.Dialer{Address: serve(t, answering(plus(answer101, test.selected)))}
			b, err := d.Forward(t.Context(), r)
			if reason(err) != test.want || (err == nil) != (test.want == "") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil {
				return
			}
			defer b.Conn.Close()
			if name, value, _ := strings.Cut(test.selected, ": "); b.Header.Get(name) != value || name == protocol && b.Protocol != value {
				t.Errorf("got %+v", b)
			}
		})
	}
}

// The example of RFC 6455 section 1.3.
func TestAccept(t *testing.T) {
	if got, want := modern.AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
