package e2e

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// alerts is the rules by name, read as Prometheus does.
func alerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse([]byte(readFile(t, "docker/prometheus/alerts.yml")), false, model.UTF8Validation, promQL, slog.Default())
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	rules := map[string]rulefmt.Rule{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			rules[r.Alert] = r
		}
	}
	return rules
}

func TestAlerts(t *testing.T) {
	q := newQuery(t)
	for name, r := range alerts(t) {
		for _, problem := range q.problems(r.Expr) {
			t.Errorf("%s: %s", name, problem)
		}
		if !strings.HasPrefix(name, "WS76") || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: has no severity, summary or description, or another's name", name)
		}
	}
}

// Every alert is shown what it is for, and what comes close. Series are those
// of one instance for 60 minutes, a sample each; it is asked at the end.
func TestAlertsFire(t *testing.T) {
	rules := alerts(t)
	shown := map[string][2]bool{}
	for _, tt := range []struct {
		alert  string
		series []string
		fires  bool
	}{
		{"WS76BackendUnreachable", []string{`ws76_handshakes_refused_total{dialect="76",reason="backend-unreachable"} 0+1x60`}, true},
		{"WS76BackendUnreachable", []string{`ws76_http_requests_refused_total{reason="backend-timeout"} 0+1x60`}, true},
		{"WS76BackendUnreachable", []string{`ws76_handshakes_refused_total{dialect="76",reason="backend-unreachable"} 0+1x50 50+0x9`}, false},
		{"WS76BackendUnreachable", []string{`ws76_handshakes_refused_total{dialect="76",reason="no-digits"} 0+1x60`}, false},
		{"WS76BackendUnreachable", []string{`ws76_handshakes_refused_total{dialect="76",reason="backend-unreachable"} 0x58 20 20`}, false},

		{"WS76BackendDown", []string{`ws76_backend_up 1x50 0x9`}, true},
		{"WS76BackendDown", []string{`ws76_backend_up 0x58 1 0`}, false},
		{"WS76BackendDown", []string{`ws76_backend_up 1+0x60`}, false},

		{"WS76NearConnectionLimit", []string{`ws76_connections_open{dialect="13"} 500+0x60`, `ws76_connections_open{dialect="76"} 350+0x60`, `ws76_limit_connections 1000+0x60`}, true},
		{"WS76NearConnectionLimit", []string{`ws76_connections_open{dialect="13"} 500+0x60`, `ws76_connections_open{dialect="76"} 250+0x60`, `ws76_limit_connections 1000+0x60`}, false},
		{"WS76NearConnectionLimit", []string{`ws76_connections_open{dialect="13"} 5000+0x60`, `ws76_limit_connections 0+0x60`}, false},

		{"WS76Key3Held", []string{`ws76_handshakes_damaged_total{fault="held"} 0+1x60`}, true},
		{"WS76Key3Held", []string{`ws76_handshakes_damaged_total{fault="held"} 0+1x60`, `ws76_connections_opened_total{dialect="76"} 0+5x60`}, true},
		{"WS76Key3Held", []string{`ws76_handshakes_damaged_total{fault="held"} 0+1x60`, `ws76_connections_opened_total{dialect="76"} 0+20x60`}, false},
		{"WS76Key3Held", []string{`ws76_handshakes_damaged_total{fault="held"} 0+1x60`, `ws76_connections_opened_total{dialect="13"} 0+20x60`}, true},
		{"WS76Key3Held", []string{`ws76_handshakes_damaged_total{fault="held"} 0x57 1 2 2`}, false},
		{"WS76Key3Held", []string{`ws76_handshakes_damaged_total{fault="rewritten"} 0+1x60`}, false},

		{"WS76CertificateExpires", []string{fmt.Sprintf(`ws76_tls_certificate_not_after_timestamp_seconds{role="server"} %d+0x60`, 3600+13*86400)}, true},
		{"WS76CertificateExpires", []string{fmt.Sprintf(`ws76_tls_certificate_not_after_timestamp_seconds{role="server"} %d+0x60`, 3600+15*86400)}, false},

		{"WS76ConnectionLimit", []string{`ws76_handshakes_refused_total{dialect="13",reason="too-many-connections"} 0x58 1 2`}, true},
		{"WS76ConnectionLimit", []string{`ws76_handshakes_refused_total{dialect="13",reason="too-many-connections"} 0+1x50 50+0x9`}, false},

		{"WS76FileDescriptors", []string{`process_open_fds 900+0x60`, `process_max_fds 1000+0x60`, `ws76_build_info{version="v1.0.0"} 1+0x60`}, true},
		{"WS76FileDescriptors", []string{`process_open_fds 700+0x60`, `process_max_fds 1000+0x60`, `ws76_build_info{version="v1.0.0"} 1+0x60`}, false},
		{"WS76FileDescriptors", []string{`process_open_fds 900+0x60`, `process_max_fds 1000+0x60`}, false},

		{"WS76EphemeralPorts", []string{`ws76_connections_open{dialect="13"} 20000+0x60`, `ws76_connections_open{dialect="76"} 6000+0x60`}, true},
		{"WS76EphemeralPorts", []string{`ws76_connections_open{dialect="13"} 20000+0x60`, `ws76_connections_open{dialect="76"} 4000+0x60`}, false},
	} {
		if got := fires(t, rules[tt.alert], tt.series); got != tt.fires {
			t.Errorf("%s fires: %t, want %t, of\n%s", tt.alert, got, tt.fires, strings.Join(tt.series, "\n"))
		}
		both := shown[tt.alert]
		both[map[bool]int{false: 0, true: 1}[tt.fires]] = true
		shown[tt.alert] = both
	}
	for name := range rules {
		if shown[name] != [2]bool{true, true} {
			t.Errorf("%s is not shown both", name)
		}
	}
	if len(shown) != len(rules) {
		t.Errorf("the alerts are %q", slices.Sorted(maps.Keys(rules)))
	}
}

// fires has Prometheus' own engine ask every minute for as long as the alert
// has to be true.
func fires(t *testing.T, rule rulefmt.Rule, series []string) bool {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: patience, Parser: promQL})
	defer engine.Close()
	data, end := written(t, series), time.Unix(3600, 0)
	for at := end.Add(-time.Duration(rule.For)); !at.After(end); at = at.Add(time.Minute) {
		query, err := engine.NewInstantQuery(t.Context(), data, nil, rule.Expr, at)
		if err != nil {
			t.Fatal(err)
		}
		result, err := query.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatal(err)
		}
		query.Close()
		if len(result) == 0 {
			return false
		}
	}
	return true
}

// written is series as they are written in tests of Prometheus.
func written(t *testing.T, lines []string) storage.Queryable {
	t.Helper()
	var all []storage.Series
	for _, line := range lines {
		set, values, err := promQL.ParseSeriesDesc(line)
		if err != nil || len(values) != 61 {
			t.Fatalf("%s: %d samples, want 61; %v", line, len(values), err)
		}
		samples := chunkenc.NewXORChunk()
		appender, err := samples.Appender()
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			appender.Append(0, int64(i)*60_000, v.Value)
		}
		b := labels.NewBuilder(set)
		b.Set("job", "ws76")
		b.Set("instance", "10.0.0.1:9076")
		all = append(all, &storage.SeriesEntry{Lset: b.Labels(), SampleIteratorFn: samples.Iterator})
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{
		SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
			return &seriesSet{slices.DeleteFunc(slices.Clone(all), func(s storage.Series) bool {
				return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Labels().Get(m.Name)) })
			}), -1}
		},
	}}
}

// A seriesSet walks over series.
type seriesSet struct {
	series []storage.Series
	at     int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series              { return s.series[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }
