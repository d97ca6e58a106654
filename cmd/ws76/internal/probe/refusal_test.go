package probe

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// page is an answer other than 101, with fields each of which ends in CR LF.
func page(status int, fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\n%sContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), fields, len(body), body)
}

// Pages as the proxies themselves made them.
var (
	nginxPage = func(status string) string {
		return "<html>\r\n<head><title>" + status + "</title></head>\r\n<body>\r\n<center><h1>" + status + "</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
	}
	haproxyPage = func(status, text string) string {
		return "<html><body><h1>" + status + "</h1>\n" + text + "\n</body></html>\n"
	}
	apachePage   = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n<title>503 Service Unavailable</title>\n</head><body>\n"
	lighttpdPage = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  <title>400 Bad Request</title>\n"
)

const (
	html  = "Content-Type: text/html\r\n"
	text  = "Content-Type: text/plain; charset=utf-8\r\n"
	nginx = "Server: nginx/1.22.1\r\n"
)

func own(status int, reason string) string {
	return page(status, text, fmt.Sprintf("%d %s: %s\nthis is why.\n", status, http.StatusText(status), reason))
}

func TestProbeRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		wants  []want
	}{
		"HAProxy in HTTP mode": {page(400, html, haproxyPage("400 Bad request", "Your browser sent an invalid request.")), []want{
			{attempts: sockets, outcome: RefusedByProxy, proxy: "haproxy", detail: "400 Bad Request", advice: "2.4 to 3.1: mode tcp"},
		}},
		"HAProxy 3.2 and its key": {page(502, html, haproxyPage("502 Bad Gateway", "The server returned an invalid or incomplete response.")), []want{
			{attempts: []string{"76", strict75}, outcome: RefusedByProxy, proxy: "haproxy", advice: "accept-invalid-http-response"},
			{attempts: []string{rfc6455, "http"}, outcome: RefusedByProxy, proxy: "haproxy", advice: "WS76_LISTEN"},
		}},
		"nginx without upstream": {page(502, nginx+html, nginxPage("502 Bad Gateway")), []want{
			{attempts: all, outcome: RefusedByProxy, proxy: "nginx", detail: "502 Bad Gateway", advice: "WS76_LISTEN"},
		}},
		"nginx without location": {page(404, nginx+html, nginxPage("404 Not Found")), []want{
			{attempts: sockets, outcome: RefusedByProxy, proxy: "nginx", advice: "let this path through"},
			{attempts: ofHTTP, outcome: Works, proxy: "nginx", detail: "404 Not Found"},
		}},
		"Apache without upstream": {page(503, "Server: Apache/2.4.71 (Debian)\r\n"+html, apachePage), []want{
			{attempts: all, outcome: RefusedByProxy, proxy: "apache", advice: "WS76_LISTEN"},
		}},
		"lighttpd and a declared key3": {page(400, "Server: lighttpd/1.4.69\r\n"+html, lighttpdPage), []want{
			{attempts: []string{"76-declared"}, outcome: RefusedByProxy, proxy: "lighttpd", advice: "method-get-body"},
			{attempts: []string{"76"}, outcome: RefusedByProxy, proxy: "lighttpd", advice: `"upgrade" => "enable"`},
		}},
		"Squid and a declared key3": {page(411, "Server: squid/5.7\r\nX-Squid-Error: ERR_INVALID_REQ 0\r\nVia: 1.1 vm (squid/5.7)\r\n"+html, "<html>"), []want{
			{attempts: []string{"76-declared"}, outcome: RefusedByProxy, proxy: "squid", advice: "request_entities on"},
		}},
		"Varnish without backend": {page(503, "Server: Varnish\r\nX-Varnish: 2\r\nVia: 1.1 varnish (Varnish/7.1)\r\n"+html, "<h1>Error 503 Backend fetch failed</h1>\n<h3>Guru Meditation:</h3>"), []want{
			{attempts: all, outcome: RefusedByProxy, proxy: "varnish", advice: "WS76_LISTEN"},
		}},
		"Caddy without upstream": {page(502, "Server: Caddy\r\n", ""), []want{
			{attempts: all, outcome: RefusedByProxy, proxy: "caddy", advice: "WS76_LISTEN"},
		}},
		"a proxy without name": {page(504, "", ""), []want{
			{attempts: all, outcome: RefusedByProxy, advice: "WS76_LISTEN"},
		}},
		"Traffic Server": {page(400, "Server: ATS/9.2.5\r\nVia: http/1.1 vm (ApacheTrafficServer/9.2.5)\r\n"+html, "<HTML>\n<HEAD>\n<TITLE>Bad Request</TITLE>"), []want{
			{attempts: sockets, outcome: RefusedByProxy, proxy: "trafficserver", advice: "Traffic Server refuses"},
		}},
		"a TLS port": {page(400, nginx+html, "<title>400 The plain HTTP request was sent to HTTPS port</title>\r\n<hr><center>nginx</center>"), []want{
			{attempts: all, outcome: RefusedByProxy, proxy: "nginx", advice: "wss://"},
		}},

		"an app behind nginx": {page(403, nginx+text, "no entry\n"), []want{
			{attempts: sockets, outcome: RefusedByApp, proxy: "nginx", detail: `403 Forbidden, "no entry"`, advice: "-origin"},
			{attempts: ofHTTP, outcome: Works, proxy: "nginx", detail: `403 Forbidden, "no entry"`},
		}},
		"an app in Tomcat":    {page(401, "Server: Apache-Coyote/1.1\r\n", ""), []want{{attempts: sockets, outcome: RefusedByApp, detail: "401", advice: "credentials"}}},
		"another path":        {page(404, text, "404 page not found\n"), []want{{attempts: sockets, outcome: RefusedByApp, advice: "path"}}},
		"an app that is ill":  {page(500, html, "<p>oh</p>"), []want{{attempts: sockets, outcome: RefusedByApp, advice: "log"}, {attempts: ofHTTP, outcome: Works}}},
		"an app that is busy": {page(503, text, "later"), []want{{attempts: all[:7], outcome: RefusedByApp}, {attempts: ofHTTP, outcome: Works}}},
		"a redirect": {page(302, "Location: https://chat.example/\r\n", ""), []want{
			{attempts: sockets, outcome: RefusedByApp, detail: `302 Found to "https://chat.example/"`, advice: "open that URL"},
		}},
		"bytes for a terminal": {page(400, text, "\x1b[2J\u202e"), []want{{attempts: all[:7], outcome: RefusedByApp, detail: `"\x1b[2J\u202e"`}}},

		"ws76 and an origin":      {own(403, "origin-not-allowed"), []want{{attempts: sockets, outcome: RefusedByApp, detail: "403 Forbidden, origin-not-allowed", advice: "WS76_ORIGINS"}}},
		"ws76 and a dialect":      {own(403, "dialect-not-allowed"), []want{{attempts: sockets, outcome: RefusedByApp, advice: "WS76_DIALECTS"}}},
		"ws76 without app":        {own(502, "backend-unreachable"), []want{{attempts: all, outcome: RefusedByApp, advice: "WS76_BACKEND"}}},
		"ws76 and keys":           {own(400, "not-multiple"), []want{{attempts: of76, outcome: RefusedByApp, advice: "log of ws76"}}},
		"nginx in HTTP/1.0":       {strings.Replace(own(400, "http-version"), "\r\n", "\r\nServer: nginx/1.22.1\r\n", 1), []want{{attempts: sockets, outcome: Stripped, proxy: "nginx", advice: "nginx, in location: proxy_http_version 1.1;"}}},
		"ws76 without Upgrade":    {own(400, "upgrade-missing"), []want{{attempts: of76, outcome: Stripped, detail: "upgrade-missing", advice: "pass Upgrade, Connection"}}},
		"what looks like ws76":    {page(400, text, "403 Forbidden: origin-not-allowed\nthis is why.\n"), []want{{attempts: of76, outcome: RefusedByApp, advice: "log"}}},
		"half of what ws76 says":  {page(403, text, "403 Forbidden: origin-not-allowed\n"), []want{{attempts: of76, outcome: RefusedByApp, advice: "credentials"}}},
		"ws76 with a long reason": {own(403, "b2VpZnVlcmlmaG"), []want{{attempts: of76, outcome: RefusedByApp, advice: "credentials"}}},

		"a page":              {page(200, html, "<p>Hello"), []want{{attempts: sockets, outcome: Stripped, detail: "200 OK", advice: "pass Upgrade"}, {attempts: ofHTTP, outcome: Works}}},
		"no page":             {page(404, nginx+html, "<p>It is not here"), []want{{attempts: sockets, outcome: Stripped, proxy: "nginx", advice: "proxy_set_header Upgrade"}}},
		"upgrade required":    {page(426, "Upgrade: websocket\r\n", "Upgrade Required"), []want{{attempts: sockets, outcome: Stripped}}},
		"version required":    {page(426, "Sec-WebSocket-Version: 13\r\n", ""), []want{{attempts: of76, outcome: RefusedByApp}, {attempts: []string{"8"}, outcome: RefusedByApp}, {attempts: []string{rfc6455}, outcome: Stripped}}},
		"versions":            {page(400, "Sec-WebSocket-Version: 13, 8\r\n", ""), []want{{attempts: of75, outcome: RefusedByApp, advice: "pass Upgrade"}, {attempts: ofHybi, outcome: Stripped}}},
		"Tornado's complaint": {page(400, html, `Can "Upgrade" only to "WebSocket".`), []want{{attempts: sockets, outcome: Stripped}}},
	} {
		t.Run(name, func(t *testing.T) { verify(t, serve(t, always(tt.answer)), tt.wants...) })
	}
}

// The gateway's own sentence is what its refusal means.
func TestProbeMeaningOfReason(t *testing.T) {
	p := serve(t, always(own(403, "origin-not-allowed")))
	if r := p.walk(t, "76")[0]; r.Meaning != "this is why" {
		t.Errorf("means %q", r.Meaning)
	}
}

// Every outcome has a meaning.
func TestProbeTables(t *testing.T) {
	for _, o := range []Outcome{Works, Held, Lost, RefusedByProxy, RefusedByApp, LocationMismatch, Changed, Stripped, Ended, Timeout, Unreachable} {
		if meanings[o] == "" {
			t.Errorf("%s means nothing", o)
		}
	}
	if len(meanings) != 11 {
		t.Errorf("%d meanings of 11 outcomes", len(meanings))
	}
}
