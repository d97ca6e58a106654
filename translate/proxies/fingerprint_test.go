package proxies

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"slices"
	"testing"
)

func TestFromRequest(t *testing.T) {
	for fields, want := range map[string]string{
		"Connection: Upgrade":                          "",
		"Via: 1.1 host (Varnish/7.1)":                  "varnish",
		"Via: 1.1 a, 1.1 b (squid/5.7)":                "squid",
		"Via: 1.1 Caddy":                               "caddy",
		"Via: 1.0 haproxy":                             "haproxy",
		"Via: 1.1 x (Apache/2.4.71)":                   "apache",
		"Via: 1.1 vegur":                               "",
		"X-Varnish: 32770":                             "varnish",
		"X-Forwarded-Server: www.example.com":          "apache",
		"X-Host: chat.example.com":                     "lighttpd",
		"connection: Upgrade":                          "haproxy",
		"Sec-Websocket-Key1: x":                        "go",
		"Sec-WebSocket-Key1: x":                        "",
		"X-Real-IP: 192.0.2.1":                         "nginx",
		"Connection: upgrade":                          "nginx",
		"Connection: upgrade, close":                   "",
		"X-Forwarded-For: 192.0.2.1":                   "",
		"X-Real-IP: 192.0.2.1\r\nX-Host: chat":         "lighttpd",
		"X-Real-IP: 192.0.2.1\r\nVia: 1.1 Caddy":       "caddy",
		"Connection: upgrade\r\nX-Forwarded-Server: w": "apache",
	} {
		head := "GET /chat HTTP/1.1\r\nHost: chat.example.com\r\n" + fields + "\r\n\r\n"
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(head))))
		if err != nil {
			t.Fatal(err)
		}
		if got := FromRequest(r, []byte(head)); got != want {
			t.Errorf("%q: %q, want %q", fields, got, want)
		}
	}
}

func response(t *testing.T, fields, body string) Response {
	head := []byte("HTTP/1.1 101 x\r\n" + fields + "\r\n\r\n")
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(head)))
	r.ReadLine()
	header, err := r.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	return Response{head, http.Header(header), []byte(body)}
}

func TestResponseProxy(t *testing.T) {
	for fields, want := range map[string]string{
		"Server: nginx/1.30.0": "nginx",
		"Server: openresty":    "nginx",
		"Server: Apache/2.4.71 (Debian)\r\nVia: 1.1 host (Varnish/7.1)": "varnish",
		"Server: ATS/9.2.5":                          "trafficserver",
		"Server: Apache-Coyote/1.1":                  "",
		"Server: uvicorn\r\nconnection: x":           "",
		"X-Varnish: 2":                               "varnish",
		"X-Cache-Lookup: MISS from vm:3128":          "squid",
		"X-Squid-Error: x":                           "squid",
		"Server: Caddy\r\nSec-Websocket-Location: x": "caddy",
		"Sec-Websocket-Location: x":                  "go",
		"Websocket-Location: x":                      "go",
		"sec-websocket-location: x":                  "haproxy",
		"Sec-WebSocket-Location: x":                  "",
		"connection: upgrade":                        "", // apps in Rust do too
	} {
		if got := response(t, fields, "").Proxy(); got != want {
			t.Errorf("%q: %q, want %q", fields, got, want)
		}
	}
}

func TestIsErrorPage(t *testing.T) {
	for _, tt := range []struct {
		fields, body string
		want         bool
	}{
		{"Server: nginx", "<center>x</center>\r\n<hr><center>nginx</center>", true},
		{"Server: nginx", "<p>Hello", false},
		{"Server: uvicorn", "<hr><center>", false},
		{"X-Squid-Error: ERR_CONNECT_FAIL 111", "", true},
		{"Content-Type: text/html", "<html><body><h1>400 Bad request</h1>", true},
		{"Content-Type: text/html", "", false},
	} {
		if got := response(t, tt.fields, tt.body).IsErrorPage(); got != tt.want {
			t.Errorf("%q %q: %t", tt.fields, tt.body, got)
		}
	}
}

// Every proxy that can be recognised has a recipe, and so has one that cannot.
func TestTables(t *testing.T) {
	names := []string{"go"}
	for _, m := range marks {
		names = append(names, m.proxy)
	}
	for proxy := range pages {
		names = append(names, proxy)
	}
	for _, name := range names {
		if name != "" && !slices.Contains(Names(), name) {
			t.Errorf("%q has no recipe", name)
		}
	}
	if slices.Contains(Names(), "") {
		t.Error("the general recipe has a name")
	}
	for _, f := range []Fault{Held, Lost, Stripped, Downgraded, Rewritten} {
		for _, name := range append(names, "", "unknown") {
			if RecipeFor(name).Against(f) == "" {
				t.Errorf("nothing against %s by %q", f, name)
			}
		}
		if f.Meaning() == "" {
			t.Errorf("%s means nothing", f)
		}
	}
	if len(meanings) != 5 {
		t.Errorf("%d meanings of 5 faults", len(meanings))
	}
}

func TestAgree(t *testing.T) {
	for _, tt := range []struct {
		origin, location string
		want             bool
	}{
		{"http://chat.example", "ws://chat.example/x", true},
		{"https://chat.example", "wss://chat.example/", true},
		{"http://CHAT.example:8080", "ws://chat.example:8080/a/b", true},
		{"http://chat.example:8080", "ws://chat.example/", false},
		{"https://chat.example", "ws://chat.example/", false},
		{"http://chat.example", "wss://chat.example/", false},
		{"http://www.example", "ws://chat.example/", false},
		{"null", "ws://chat.example/", false},
		{"file://", "ws://chat.example/", false},
	} {
		if got := Agree(tt.origin, tt.location); got != tt.want {
			t.Errorf("%s and %s: %t", tt.origin, tt.location, got)
		}
	}
}
