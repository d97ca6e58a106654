package probe

import (
	"bytes"
	"regexp"
	"strings"
)

// marks are what proxies write about themselves into Via and Server, the more
// particular first: what is called Apache may be three things.
var marks = []struct{ text, front string }{
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

// front guesses the proxy on the way by what it writes into answers, in the
// words that the gateway's log has for them.
func (a *answer) front() string {
	for _, name := range []string{"Via", "Server"} {
		text := strings.ToLower(strings.Join(a.header.Values(name), ","))
		for _, m := range marks {
			if strings.Contains(text, m.text) {
				return m.front
			}
		}
	}
	switch {
	case a.field("X-Varnish") != "":
		return "varnish"
	case a.field("X-Squid-Error") != "", a.field("X-Cache-Lookup") != "":
		return "squid"
	case a.field("Server") != "":
		return ""
	case a.spells("websocket-location"), bytes.HasPrefix(a.body, []byte(pages["haproxy"])):
		return "haproxy" // spells all names in lower case
	case a.spells("Websocket-Location"):
		return "go" // spells names as net/http does
	}
	return ""
}

// spells reports whether a field of -75 or -76, whose spelling on the server's
// side is known, was spelt like this.
func (a *answer) spells(end string) bool {
	return regexp.MustCompile(`(?m)^(?:[Ss]ec-)?` + end + `:`).Match(a.head)
}

// pages are what stands in the bodies of refusals that a front makes itself.
var pages = map[string]string{
	"nginx":         "<hr><center>",
	"haproxy":       "<html><body><h1>",
	"apache":        `<!DOCTYPE HTML PUBLIC "-//`,
	"lighttpd":      " <head>\n  <title>",
	"varnish":       "Guru Meditation",
	"trafficserver": "<TITLE>",
}

// isPage reports whether a front wrote the answer itself.
func (a *answer) isPage() bool {
	mark, ok := pages[a.front()]
	return ok && bytes.Contains(a.body, []byte(mark)) || a.field("X-Squid-Error") != ""
}
