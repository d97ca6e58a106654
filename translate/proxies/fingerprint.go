package proxies

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
)

// FromRequest guesses a proxy by what it puts into requests. The head is the request's
// as received. The result is a name of Names, or empty.
func FromRequest(r *http.Request, head []byte) string {
	via := strings.ToLower(strings.Join(r.Header["Via"], ","))
	for _, name := range []string{"varnish", "squid", "caddy", "haproxy", "apache"} {
		if strings.Contains(via, name) {
			return name
		}
	}
	switch {
	case r.Header.Get("X-Varnish") != "":
		return "varnish"
	case r.Header.Get("X-Forwarded-Server") != "":
		return "apache"
	case r.Header.Get("X-Host") != "":
		return "lighttpd"
	case bytes.Contains(head, []byte("\r\nconnection: ")):
		return "haproxy" // spells all names in lower case
	case bytes.Contains(head, []byte("\r\nSec-Websocket-")):
		return "go" // spells names as net/http does
	case r.Header.Get("X-Real-Ip") != "", r.Header.Get("Connection") == "upgrade":
		return "nginx"
	}
	return ""
}

// marks are what proxies write about themselves into Via and Server, the more
// particular first: what is called Apache may be three things.
var marks = []struct{ text, proxy string }{
	{"ats/", "trafficserver"},
	{"apachetrafficserver", "trafficserver"},
	{"apache-coyote", ""}, // Tomcat, an app
	{"varnish", "varnish"},
	{"vinyl", "varnish"},
	{"squid", "squid"},
	{"caddy", "caddy"},
	{"haproxy", "haproxy"},
	{"nginx", "nginx"},
	{"openresty", "nginx"},
	{"lighttpd", "lighttpd"},
	{"apache", "apache"},
}

// pages are texts in the error pages that a proxy makes itself.
var pages = map[string]string{
	"nginx":         "<hr><center>",
	"haproxy":       "<html><body><h1>",
	"apache":        `<!DOCTYPE HTML PUBLIC "-//`,
	"lighttpd":      " <head>\n  <title>",
	"varnish":       "Guru Meditation",
	"trafficserver": "<TITLE>",
}

// A Response is what came back through a proxy.
type Response struct {
	Head   []byte // as received
	Header http.Header
	Body   []byte // or its beginning
}

// Proxy guesses the proxy on the way by what it writes into responses. The result is a
// name of Names, or empty.
func (r Response) Proxy() string {
	for _, name := range []string{"Via", "Server"} {
		text := strings.ToLower(strings.Join(r.Header.Values(name), ","))
		for _, m := range marks {
			if strings.Contains(text, m.text) {
				return m.proxy
			}
		}
	}
	has := func(name string) bool { return r.Header.Get(name) != "" }
	switch {
	case has("X-Varnish"):
		return "varnish"
	case has("X-Squid-Error"), has("X-Cache-Lookup"):
		return "squid"
	case has("Server"):
		return ""
	case r.spells("websocket-location"), bytes.HasPrefix(r.Body, []byte(pages["haproxy"])):
		return "haproxy" // spells all names in lower case
	case r.spells("Websocket-Location"):
		return "go" // spells names as net/http does
	}
	return ""
}

// spells reports whether a field of -75 or -76, whose spelling on the server's side is
// known, was spelt like this.
func (r Response) spells(end string) bool {
	return regexp.MustCompile(`(?m)^(?:[Ss]ec-)?` + end + `:`).Match(r.Head)
}

// IsErrorPage reports whether a proxy wrote the response itself.
func (r Response) IsErrorPage() bool {
	mark, ok := pages[r.Proxy()]
	return ok && bytes.Contains(r.Body, []byte(mark)) || r.Header.Get("X-Squid-Error") != ""
}
