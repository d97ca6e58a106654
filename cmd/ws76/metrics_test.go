package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ws76/ws76/legacy"
)

// metricsTable is the README's table.
func metricsTable() string {
	kinds := map[prometheus.ValueType]string{histogram: "histogram", prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge"}
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range metrics {
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, kinds[m.kind], labels, m.help)
	}
	return b.String()
}

func TestReadmeHasTheMetrics(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const first, last = "<!-- metrics -->\n", "<!-- /metrics -->"
	_, rest, begun := strings.Cut(string(readme), first)
	got, _, ended := strings.Cut(rest, last)
	if !begun || !ended || got != metricsTable() {
		t.Errorf("README.md is to have this:\n%s%s%s", first, metricsTable(), last)
	}
}

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
	if status, _ := get(t, "http://"+g.listen+"/plain"); status == 0 {
		t.Fatal("no answer")
	}

	text, samples := scrape(t, admin)
	for name, want := range map[string]string{
		`ws76_connections_open{dialect="76"}`:                                          "0",
		`ws76_connections_opened_total{dialect="76"}`:                                  "1",
		`ws76_connections_opened_total{dialect="75"}`:                                  "0",
		`ws76_connections_closed_total{by="client",dialect="76",reason="client-gone"}`: "1",
		`ws76_handshakes_refused_total{dialect="http",reason="version-unsupported"}`:   "1",
		`ws76_handshakes_refused_total{dialect="http",reason="upgrade-missing"}`:       "1",
		`ws76_handshakes_damaged_total{fault="stripped"}`:                              "1",
		`ws76_handshake_seconds_count{dialect="76"}`:                                   "1",
		`ws76_handshake_seconds_bucket{dialect="76",le="+Inf"}`:                        "1",
		`ws76_key3_wait_seconds_count`:                                                 "1",
		`ws76_messages_total{dialect="76",direction="up"}`:                             "1",
		`ws76_messages_total{dialect="76",direction="down"}`:                           "2",
		`ws76_bytes_total{dialect="76",direction="up"}`:                                "5",
		`ws76_bytes_total{dialect="76",direction="down"}`:                              "12",
		`ws76_http_requests_total`:                                                     "1",
		`ws76_tls_handshakes_failed_total`:                                             "0",
		`ws76_draining`:                                                                "0",
		`ws76_tls_reloads_total{result="ok",role="server"}`:                            "0",
	} {
		if samples[name] != want {
			t.Errorf("%s is %q, want %s", name, samples[name], want)
		}
	}
	for _, m := range metrics {
		if !strings.Contains(text, "# TYPE "+m.name+" ") {
			t.Errorf("%s is in the table but never shown", m.name)
		}
	}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (ws76_\w+)`).FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(metrics, func(m *metric) bool { return m.name == name[1] }) {
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
