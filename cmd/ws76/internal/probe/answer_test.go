package probe

import (
	"slices"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// A 101 that browsers drop.
func TestProbe101OfLegacy(t *testing.T) {
	legacies := slices.Concat(of76, of75)
	for name, tt := range map[string]struct {
		edit  []string
		wants []want
	}{
		"nginx puts fields in": {[]string{"Upgrade: ", "Server: nginx/1.22.1\r\nDate: today\r\nUpgrade: "}, []want{
			{attempts: []string{strict75}, outcome: Changed, proxy: "nginx", detail: `"Server: nginx/1.22.1" "Date: today"]`, advice: "nginx: stream {"},
			{attempts: []string{"76", "75-lax"}, outcome: Works, proxy: "nginx"},
		}},
		"HAProxy spells in lower case": {[]string{"Upgrade: ", "upgrade: ", "Connection: ", "connection: ", "Sec-WebSocket-Location", "sec-websocket-location", "WebSocket-Location", "websocket-location"}, []want{
			{attempts: []string{strict75}, outcome: Changed, proxy: "haproxy", advice: "HAProxy: mode tcp"},
			{attempts: []string{"76", "75-lax"}, outcome: Works, proxy: "haproxy"},
		}},
		"the port is lost": {[]string{"Location: ws://127.0.0.1:", "Location: ws://127.0.0.1/not"}, []want{
			{attempts: legacies, outcome: LocationMismatch, detail: `Location: "ws://127.0.0.1/not`, advice: "WS76_PUBLIC_URL=ws://127.0.0.1:"},
		}},
		"another scheme, by nginx": {[]string{"Upgrade: ", "Server: nginx\r\nUpgrade: ", "Location: ws:", "Location: wss:"}, []want{
			{attempts: []string{"76", "75-lax"}, outcome: LocationMismatch, proxy: "nginx", detail: `Location: "wss://127.0.0.1`, advice: "; or nginx: proxy_set_header Host $http_host"},
		}},
		"the path is another": {[]string{"/chat?room=1", "/?room=1"}, []want{
			{attempts: legacies, outcome: LocationMismatch, detail: `/?room=1", not "ws://127.0.0.1:`, advice: "pass the path on"},
		}},
		"the origin is another": {[]string{"Origin: http:", "Origin: https:"}, []want{
			{attempts: legacies, outcome: LocationMismatch, detail: `Origin: "https:`, advice: "changing Origin"},
		}},
		"Upgrade is gone": {[]string{"Upgrade: WebSocket\r\n", ""}, []want{
			{attempts: []string{"76", "75-lax"}, outcome: Changed, detail: `Upgrade: "", not "WebSocket"`, advice: "forward TCP"},
		}},
		"Connection is a list": {[]string{"Connection: Upgrade", "Connection: keep-alive, Upgrade"}, []want{
			{attempts: []string{"76", "75-lax"}, outcome: Changed, detail: `Connection: "keep-alive, Upgrade", not "Upgrade"`},
		}},
		"a subprotocol nobody asked for": {[]string{"Connection: Upgrade\r\n", "Connection: Upgrade\r\nWebSocket-Protocol: x\r\nSec-WebSocket-Protocol: x\r\n"}, []want{
			{attempts: legacies, outcome: Changed, detail: `Protocol: "x", not ""`, advice: "-protocol"},
		}},
		"another case": {[]string{"Upgrade: WebSocket", "Upgrade: websocket"}, []want{
			{attempts: []string{"76", "75-lax"}, outcome: Works, detail: "but not for Opera 11"},
			{attempts: []string{strict75}, outcome: Changed, detail: "Upgrade: websocket", advice: "forward TCP"},
		}},
	} {
		t.Run(name, func(t *testing.T) { verify(t, serve(t, edits(tt.edit...)), tt.wants...) })
	}
}

// A head of the 101 behind which key3 is not proven.
func TestProbeLost(t *testing.T) {
	loses := func(old, new, response string) script {
		return func(p *peer) {
			h, a := p.handshake()
			p.says("%s%s", strings.ReplaceAll(string(h.AppendHead(nil, a)), old, new), response)
			p.ends()
		}
	}
	for name, tt := range map[string]struct {
		script script
		want   want
	}{
		"another response":     {loses("", "", "not these bytes!"), want{detail: "challenge response 6e6f7420746865736520627974657321, not ", advice: "forward TCP"}},
		"half of it":           {loses("", "", "half of "), want{detail: "8 of the 16 bytes of the challenge response, then the end of the connection", advice: "forward TCP"}},
		"an end":               {loses("", "", ""), want{detail: "0 of the 16 bytes of the challenge response, then the end of the connection", advice: "forward TCP"}},
		"Go":                   {loses("Sec-WebSocket-", "Sec-Websocket-", ""), want{proxy: "go", advice: "use Caddy 2.11 or a TCP router"}},
		"Caddy":                {loses("\r\n\r\n", "\r\nServer: Caddy\r\n\r\n", ""), want{proxy: "caddy", advice: "Caddy: 2.11"}},
		"Apache with wstunnel": {loses("\r\n\r\n", "\r\nServer: Apache/2.4.71 (Debian)\r\n\r\n", ""), want{proxy: "apache", advice: "never ProxyWebsocketFallbackToProxyHttp Off"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.want.attempts, tt.want.outcome = of76, Lost
			verify(t, serve(t, tt.script), tt.want)
		})
	}
}

func TestProbe101OfRFC6455(t *testing.T) {
	for answer, detail := range map[string]string{
		"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n":                           `Upgrade: "", not "websocket"`,
		"Upgrade: WebSocket\r\nConnection: close\r\n":                                  `Connection: "close", not "Upgrade"`,
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n": `Sec-WebSocket-Accept: "wrong", not "`,
	} {
		p := serve(t, always("HTTP/1.1 101 Switching Protocols\r\n"+answer+"\r\n"))
		verify(t, p, want{attempts: ofHybi, outcome: Changed, detail: detail, advice: "forward TCP"})
	}
	for field, detail := range map[string]string{
		"Sec-WebSocket-Extensions: permessage-deflate\r\n": `Sec-WebSocket-Extensions: "permessage-deflate", not ""`,
		"Sec-WebSocket-Protocol: x\r\n":                    `Sec-WebSocket-Protocol: "x", not ""`,
	} {
		p := serve(t, func(p *peer) { p.accepts(field) })
		verify(t, p, want{attempts: ofHybi, outcome: Changed, detail: detail})
	}
}

// Interim answers are no answers.
func TestProbeInterimAnswers(t *testing.T) {
	p := serve(t, func(p *peer) {
		p.says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
		p.accepts()
	})
	verify(t, p, want{attempts: all, outcome: Works})
}

func TestProbeNoHTTP(t *testing.T) {
	for answer, w := range map[string]want{
		"":                                      {outcome: RefusedByApp, detail: "no answer, but the end of the connection", advice: "wss://"},
		"HTTP/1.1 101 Web Socket Protocol Hand": {outcome: RefusedByApp, detail: "read answer after"},
		"SSH-2.0-OpenSSH_9.2\r\n\r\n":           {outcome: RefusedByApp, detail: "malformed"},
		"HTTP/1.1 101 " + strings.Repeat("x", 20<<10):    {outcome: RefusedByApp, detail: "16 KiB"},
		"\x15\x03\x01\x00\x02\x02\x46":                   {outcome: Unreachable, detail: "binary", advice: "wss://"},
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nor": {outcome: Stripped},
	} {
		names := ofHTTP
		if w.outcome == Stripped {
			names = sockets // what is there of the body is enough
		}
		w.attempts = names
		verify(t, serve(t, always(answer)), w)
	}
	p := serve(t, always("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nor"))
	verify(t, p, want{attempts: ofHTTP, outcome: RefusedByApp, detail: "200 OK, whose body broke off: the end of the connection"})
}

// What silence does not give away, another answer does.
func TestProbeClues(t *testing.T) {
	for name, tt := range map[string]struct {
		script script
		wants  []want
	}{
		"an app without ws76": {
			func(p *peer) {
				if d := p.dialect(); d == legacy.RFC6455 || d == legacy.HTTP {
					p.accepts()
				} else {
					always("HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n\r\n")(p)
				}
			},
			[]want{
				{attempts: append(slices.Concat(of76, of75), "8"), outcome: RefusedByApp, advice: "put ws76 before the app"},
				{attempts: []string{rfc6455, "http"}, outcome: Works},
			},
		},
		"a proxy without Upgrade": {
			func(p *peer) {
				if p.dialect() == legacy.Hixie76 {
					always("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n400 Bad Request: upgrade-missing\nIt is missing.\n")(p)
				} else {
					always("HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n\r\n")(p)
				}
			},
			[]want{
				{attempts: of76, outcome: Stripped, proxy: "nginx", advice: "proxy_set_header Upgrade"},
				{attempts: append(of75, "8"), outcome: RefusedByApp, proxy: "nginx", advice: "proxy_set_header Upgrade"},
				{attempts: []string{rfc6455}, outcome: Stripped, proxy: "nginx", advice: "proxy_set_header Upgrade"},
				{attempts: ofHTTP, outcome: Works, proxy: "nginx"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) { verify(t, serve(t, tt.script), tt.wants...) })
	}
}
