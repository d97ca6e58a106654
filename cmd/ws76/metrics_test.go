package main

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ws76/ws76/legacy"
)

// adminGateway is a gateway with an admin port.
func adminGateway(t *testing.T, variables ...string) (g gateway, admin string) {
	t.Helper()
	admin, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return startGateway(t, append(variables, "WS76_ADMIN="+admin)...), admin
}

// samples of /metrics, by name and labels as they are written.
func scrape(t *testing.T, admin string) (text string, samples map[string]string) {
	t.Helper()
	status, text := get(t, "http://"+admin+"/metrics")
	if status != 200 {
		t.Fatalf("/metrics: status %d: %s", status, text)
	}
	samples = map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			samples[name] = value
		}
	}
	return text, samples
}

// number is the value of a sample, 0 if there is none.
func number(sample string) (n float64) {
	fmt.Sscan(sample, &n)
	return n
}

// readmeMetrics are the names in the README's table, which the admin package compares
// with its own.
func readmeMetrics(t *testing.T) (names []string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(ws76_\\w+)` \\| (?:gauge|counter|histogram) ").FindAllSubmatch(readme, -1) {
		names = append(names, string(row[1]))
	}
	if len(names) < 20 {
		t.Fatalf("the README has only %d metrics", len(names))
	}
	return names
}

// Every metric has its place in the table, and all of the table is there once
// there is a reason for it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	pem := newPEM(t, "localhost")
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_TLS_LISTEN=127.0.0.1:0", "WS76_TLS_CERT="+pem.cert, "WS76_TLS_KEY="+pem.key)
	conn := g.open(legacy.Hixie76, "/metrics")
	if got, err := conn.ReadText(); got != "welcome" {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := conn.WriteText("Hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := conn.ReadText(); got != "Hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, samples := scrape(t, admin); samples[`ws76_connections_open{dialect="76"}`] != "1" {
		t.Errorf("the open connection is not counted: %v", samples)
	}
	conn.Close()
	g.logged("connection closed")
	refused := g.connect()
	fmt.Fprint(refused, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 3\r\nSec-WebSocket-Key: x\r\n\r\n")
	g.logged("opening handshake refused")
	half := g.connect()
	fmt.Fprint(half, "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key1: 1 1\r\nSec-WebSocket-Key2: 1 1\r\n\r\n")
	g.logged("opening handshake refused")
	left := g.connect()
	request := legacy.NewRequest(legacy.Hixie76, &url.URL{Scheme: "ws", Host: g.listen, Path: "/metrics"})
	left.Write(request.AppendHead(nil))
	if _, err := legacy.ReadHead(bufio.NewReader(left)); err != nil {
		t.Fatal(err)
	}
	left.Close()
	g.logged("handshake may have been damaged on the way")
	if status, _ := get(t, "http://"+g.listen+"/plain"); status == 0 {
		t.Fatal("no answer")
	}

	bad := g.connect()
	fmt.Fprint(bad, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n")
	g.logged("request refused")

	text, samples := scrape(t, admin)
	for name, want := range map[string]string{
		`ws76_connections_open{dialect="76"}`:                                          "0",
		`ws76_connections_opened_total{dialect="76"}`:                                  "1",
		`ws76_connections_opened_total{dialect="75"}`:                                  "0",
		`ws76_connections_closed_total{by="client",dialect="76",reason="client-gone"}`: "1",
		`ws76_handshakes_refused_total{dialect="http",reason="version-unsupported"}`:   "1",
		`ws76_handshakes_refused_total{dialect="http",reason="upgrade-missing"}`:       "1",
		`ws76_handshakes_damaged_total{fault="stripped"}`:                              "1",
		`ws76_handshakes_possibly_damaged_total{fault="lost"}`:                         "1",
		`ws76_handshake_seconds_count{dialect="76"}`:                                   "1",
		`ws76_handshake_seconds_bucket{dialect="76",le="+Inf"}`:                        "1",
		`ws76_key3_wait_seconds_count`:                                                 "1",
		`ws76_messages_total{dialect="76",direction="up"}`:                             "1",
		`ws76_messages_total{dialect="76",direction="down"}`:                           "2",
		`ws76_bytes_total{dialect="76",direction="up"}`:                                "5",
		`ws76_bytes_total{dialect="76",direction="down"}`:                              "12",
		`ws76_http_requests_total`:                                                     "1",
		`ws76_http_requests_refused_total{reason="method-not-supported"}`:              "1",
		`ws76_connection_lifetime_seconds_count{dialect="76"}`:                         "1",
		`ws76_tls_handshakes_failed_total`:                                             "0",
		`ws76_draining`:                                                                "0",
		`ws76_tls_reloads_total{result="ok",role="server"}`:                            "0",
	} {
		if samples[name] != want {
			t.Errorf("%s is %q, want %s", name, samples[name], want)
		}
	}
	documented := readmeMetrics(t)
	for _, name := range documented {
		if !strings.Contains(text, "# TYPE "+name+" ") {
			t.Errorf("%s is in the table but never shown", name)
		}
	}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (ws76_\w+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(documented, name[1]) {
			t.Errorf("%s is shown but not in the table", name[1])
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("lint: %s: %s", p.Metric, p.Text)
	}
	if t.Failed() {
		t.Log(text)
	}
}
