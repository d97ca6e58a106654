package metrics

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
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
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const first, last = "<!-- metrics -->\n", "<!-- /metrics -->"
	_, rest, begun := strings.Cut(string(readme), first)
	got, _, ended := strings.Cut(rest, last)
	if !begun || !ended || got != metricsTable() {
		t.Errorf("cmd/ws76/README.md is to have this:\n%s%s%s", first, metricsTable(), last)
	}
}
