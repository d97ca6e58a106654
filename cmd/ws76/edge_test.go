package main

import (
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// What comes before HTTP, and what the log then says of the client.
func TestEdge(t *testing.T) {
	t.Parallel()
	const (
		required = "WS76_PROXY_PROTOCOL=required"
		flash    = "WS76_FLASH_POLICY=*.example.com,chat.example"
		v1       = "PROXY TCP4 203.0.113.7 192.0.2.1 40000 8076\r\n"
		v2       = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x9c\x40\x1f\x8c"
		local    = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	)
	for _, tt := range []struct {
		name      string
		variables []string
		before    string
		client    string // begins so; empty if the connection is refused
		log       string // of the refusal
	}{
		{"nothing", nil, "", "127.0.0.1:", ""},
		{"PROXY v1", []string{required}, v1, "203.0.113.7:40000", ""},
		{"PROXY v2", []string{required}, v2, "203.0.113.7:40000", ""},
		{"PROXY v2 for the proxy itself", []string{required}, local, "127.0.0.1:", ""},
		{"PROXY v1 with Flash", []string{required, flash}, v1, "203.0.113.7:40000", ""},
		{"handshake with Flash", []string{flash}, "", "127.0.0.1:", ""},
		{"no PROXY header", []string{required}, "", "", "no PROXY header came: proxyproto: proxy protocol signature not present; have the proxy in front send it, or set off"},
		{"PROXY header of a stranger", []string{required, "WS76_TRUSTED_PROXIES=192.0.2.0/24"}, v1, "", "is not in WS76_TRUSTED_PROXIES"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := gorillaBackend(t)
			g := startGateway(t, append(tt.variables, "WS76_BACKEND=http://"+b.address)...)
			conn := g.connect()
			if _, err := io.WriteString(conn, tt.before); err != nil {
				t.Fatal(err)
			}
			_, err := legacy.NewRequest(legacy.Hixie76, &url.URL{Scheme: "ws", Host: g.listen}).Open(conn)
			if opened := err == nil; opened != (tt.client != "") {
				t.Fatalf("open: %v; want one: %t", err, tt.client != "")
			}
			conn.Close()
			if tt.client == "" {
				line := g.logged("connection refused")
				g.says(line, map[string]any{"reason": "proxy-header"})
				if text, _ := line["error"].(string); !strings.Contains(text, tt.log) {
					t.Errorf("the log says error=%q, want one that says %q", text, tt.log)
				}
			} else if got, _ := g.logged("connection closed")["client"].(string); !strings.HasPrefix(got, tt.client) {
				t.Errorf("the log says client=%s, want %s", got, tt.client)
			}
			g.terminate()
		})
	}
}

// An outage for want of PROXY headers is seen by who watches the metrics.
func TestProxyHeadersRefusedAreCounted(t *testing.T) {
	t.Parallel()
	g, admin := adminGateway(t, "WS76_PROXY_PROTOCOL=required")
	io.WriteString(g.connect(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	g.logged("connection refused")
	if _, samples := scrape(t, admin); samples["ws76_proxy_headers_refused_total"] != "1" {
		t.Errorf("it is %q, want 1", samples["ws76_proxy_headers_refused_total"])
	}
}

// A balancer that only looks whether the port is open sends no PROXY header. It
// filled the log with warnings.
func TestPortCheckIsSilent(t *testing.T) {
	t.Parallel()
	g := startGateway(t, "WS76_PROXY_PROTOCOL=required")
	conn := g.connect().(*net.TCPConn)
	conn.CloseWrite()
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	g.terminate()
	if strings.Contains(g.log(), "connection refused") {
		t.Errorf("the log says\n%s", g.log())
	}
}

func TestFlashPolicy(t *testing.T) {
	t.Parallel()
	g := startGateway(t, "WS76_FLASH_POLICY=*.example.com,chat.example")
	for _, tt := range []struct{ name, request, want string }{
		{"asked for", "<policy-file-request/>\x00", `<?xml version="1.0"?><cross-domain-policy><allow-access-from domain="*.example.com" to-ports="*"/><allow-access-from domain="chat.example" to-ports="*"/></cross-domain-policy>` + "\x00"},
		{"not asked for", "<!doctype html>         ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := g.connect()
			if _, err := io.WriteString(conn, tt.request); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	g.terminate()
}
