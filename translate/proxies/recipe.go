package proxies

import (
	"cmp"
	"maps"
	"slices"
)

// A Recipe is what to configure in a proxy. Where it is configuration to the letter,
// lines that end with a colon say where the ones below belong; docker/proxies has the
// whole of it, as the tests run it.
type Recipe struct {
	Pass     string // so that -76 passes
	Version  string // and reaches ws76 in HTTP/1.1
	Host     string // and with the Host and scheme of the client
	Declared string // and key3 as Content-Length: 8; empty if there is nothing to do
	Strict   string // and -75 to the letter
}

// recipes are by proxy. The one of the empty name is for proxies that are not recognised,
// and for what another lacks.
var recipes = map[string]Recipe{
	"": {
		Pass:    "pass Upgrade, Connection and Host through unchanged, or forward TCP instead of HTTP",
		Version: "have the proxy speak HTTP/1.1 to ws76 (nginx: proxy_http_version 1.1;)",
		Host:    "have the proxy pass Host through and set X-Forwarded-Proto, or send PROXY v2",
		Strict:  "forward TCP instead of HTTP",
	},
	"nginx": {
		Pass: `nginx, in http:
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
nginx, in location:
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_read_timeout 1h;
proxy_send_timeout 1h;`,
		Version: "nginx, in location: proxy_http_version 1.1;",
		Host:    "nginx: proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;",
		Strict:  "nginx: stream { server { listen 80; proxy_pass ws76:8076; } } instead of http (docker/proxies/nginx-stream)",
	},
	"haproxy": {
		Pass:   "HAProxy 3.2 and later: option accept-invalid-http-request; 2.4 to 3.1: mode tcp, or a TCP frontend that sniffs the head (docker/proxies/haproxy-sniff)",
		Host:   "HAProxy: http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
		Strict: "HAProxy: mode tcp; or, from 3.2 on: h1-case-adjust upgrade Upgrade, h1-case-adjust connection Connection, option h1-case-adjust-bogus-client",
	},
	"apache": {
		Pass: `Apache, and never ProxyWebsocketFallbackToProxyHttp Off:
ProxyPreserveHost On
ProxyPass / http://ws76:8076/ upgrade=websocket timeout=3600
RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}`,
		Host: `Apache:
ProxyPreserveHost On
RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}`,
		Strict: "Apache has no TCP mode: have clients of -75 connect to ws76 itself",
	},
	"lighttpd": {
		Pass: `lighttpd:
proxy.header = ( "upgrade" => "enable" )
server.max-read-idle = 3600
server.max-write-idle = 3600`,
		Declared: `lighttpd:
server.http-parseopts = ( "method-get-body" => "enable" )`,
		Strict: "lighttpd has no TCP mode: have clients of -75 connect to ws76 itself",
	},
	"squid": {
		Pass: `Squid:
http_upgrade_request_protocols WebSocket allow all
http_upgrade_request_protocols websocket allow all`,
		Declared: `Squid:
request_entities on`,
		Strict: "Squid has no TCP mode: have clients of -75 connect to ws76 itself",
	},
	"varnish": {
		Pass: `Varnish, with -p pipe_timeout=3600, in vcl_recv:
if (req.http.Upgrade ~ "(?i)websocket") { return (pipe); }
Varnish, in vcl_pipe:
if (req.http.Upgrade) { set bereq.http.Upgrade = req.http.Upgrade; set bereq.http.Connection = req.http.Connection; }`,
	},
	"caddy": {
		Pass:   "Caddy: 2.11 or later, which passes -76 as it is; before, forward TCP",
		Strict: "Caddy has no TCP mode of its own: have clients of -75 connect to ws76 itself",
	},
	"go": {
		Pass:   "Caddy before 2.11 loses key3, as do Traefik and Go's ReverseProxy in HTTP mode: use Caddy 2.11 or a TCP router",
		Strict: "Traefik: a TCP router instead of an HTTP one; Go's ReverseProxy: forward TCP",
	},
	"trafficserver": {
		Pass:   "Traffic Server refuses -75 and -76 in HTTP: a TCP tunnel, or have their clients connect to ws76 itself",
		Strict: "Traffic Server refuses -75 and -76 in HTTP: a TCP tunnel, or have their clients connect to ws76 itself",
	},
}

// Names are the names of all proxies that have a recipe, as the log has them.
func Names() []string {
	return slices.Sorted(maps.Keys(recipes))[1:] // the first is empty
}

// RecipeFor is the recipe for a proxy, by its name; empty if it is not recognised.
func RecipeFor(name string) Recipe {
	r, general := recipes[name], recipes[""]
	r.Pass = cmp.Or(r.Pass, general.Pass)
	r.Version = cmp.Or(r.Version, general.Version)
	r.Host = cmp.Or(r.Host, general.Host)
	r.Strict = cmp.Or(r.Strict, general.Strict)
	return r
}

// Against returns what fixes a fault.
func (r Recipe) Against(f Fault) string {
	switch f {
	case Rewritten:
		return r.Host
	case Downgraded:
		return r.Version
	}
	return r.Pass
}
