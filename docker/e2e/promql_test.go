package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

var promQL = parser.NewParser(parser.Options{})

// A metric is a row of the README's table, or one that Go's client has for
// every process.
type metric struct {
	kind   string // counter, gauge or histogram
	labels []string
}

// readmeMetrics is the README's table.
func readmeMetrics(t *testing.T) map[string]metric {
	t.Helper()
	_, rest, _ := strings.Cut(readFile(t, "cmd/ws76/README.md"), "<!-- metrics -->\n")
	table, _, ok := strings.Cut(rest, "<!-- /metrics -->")
	if !ok {
		t.Fatal("the README has no table of metrics")
	}
	metrics := map[string]metric{}
	row := regexp.MustCompile("(?m)^\\| `(ws76_\\w+)` \\| (counter|gauge|histogram) \\| ([^|]*) \\|")
	for _, cells := range row.FindAllStringSubmatch(table, -1) {
		metrics[cells[1]] = metric{cells[2], strings.Fields(strings.ReplaceAll(cells[3], "`", ""))}
	}
	if rows := strings.Count(table, "\n| `"); len(metrics) != rows || rows < 10 {
		t.Fatalf("of %d rows of the README's table %d are understood", rows, len(metrics))
	}
	return metrics
}

// allMetrics is what /metrics has, with those of Go and of the process.
func allMetrics(t *testing.T) map[string]metric {
	t.Helper()
	metrics := readmeMetrics(t)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		metrics[f.GetName()] = metric{kind: strings.ToLower(f.GetType().String())}
	}
	return metrics
}

// variables of Grafana, each with a value that stands for it.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h")

// A query is one that a person or an alert depends on.
type query struct {
	metrics map[string]metric
	words   string // where the values of labels are, in backquotes
	used    map[string]bool
}

// problems is what Prometheus would refuse, or would answer with nothing or
// with nonsense.
func (q *query) problems(expression string) (problems []string) {
	complain := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf(format, args...)+": "+expression)
	}
	root, err := promQL.ParseExpr(variables.Replace(expression))
	if err != nil {
		complain("%v", err)
		return problems
	}
	parser.Inspect(root, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			q.selector(n, rated(path), complain)
		case *parser.AggregateExpr:
			q.grouping(n, complain)
		}
		return nil
	})
	return problems
}

// rated reports whether the innermost call around a selector is for counters.
func rated(path []parser.Node) bool {
	for _, node := range slices.Backward(path) {
		if call, ok := node.(*parser.Call); ok {
			return slices.Contains([]string{"rate", "increase"}, call.Func.Name)
		}
	}
	return false
}

// find is the metric that a series belongs to.
func (q *query) find(series string) (name string, m metric, ok bool) {
	if m, ok = q.metrics[series]; ok {
		return series, m, m.kind != "histogram"
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		name, cut := strings.CutSuffix(series, suffix)
		if m, ok = q.metrics[name]; cut && ok && m.kind == "histogram" {
			if suffix == "_bucket" {
				m.labels = append(slices.Clone(m.labels), "le")
			}
			return name, m, true
		}
	}
	return series, m, false
}

// scraped are labels that Prometheus adds.
var scraped = []string{"job", "instance"}

func (q *query) selector(s *parser.VectorSelector, rated bool, complain func(string, ...any)) {
	name, m, ok := q.find(s.Name)
	if !ok {
		complain("there is no metric %s", s.Name)
		return
	}
	q.used[name] = true
	if counts := m.kind != "gauge"; counts != rated {
		complain("%s is a %s, and rated is %t", name, m.kind, rated)
	}
	for _, matcher := range s.LabelMatchers {
		switch {
		case matcher.Name == model.MetricNameLabel || slices.Contains(scraped, matcher.Name):
		case !slices.Contains(m.labels, matcher.Name):
			complain("%s has no label %s", name, matcher.Name)
		default:
			for value := range strings.SplitSeq(matcher.Value, "|") {
				if !strings.Contains(q.words, "`"+value+"`") && !(matcher.Name == "dialect" && strings.Contains(q.words, "-"+value)) {
					complain("the README has no %s=%q", matcher.Name, value)
				}
			}
		}
	}
}

func (q *query) grouping(a *parser.AggregateExpr, complain func(string, ...any)) {
	known := slices.Clone(scraped)
	parser.Inspect(a.Expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			_, m, _ := q.find(s.Name)
			known = append(known, m.labels...)
		}
		return nil
	})
	for _, label := range a.Grouping {
		if !slices.Contains(known, label) {
			complain("there is no label %s to group by", label)
		}
	}
}

func newQuery(t *testing.T) *query {
	return &query{metrics: allMetrics(t), words: readFile(t, "cmd/ws76/README.md"), used: map[string]bool{}}
}

func TestQueryProblems(t *testing.T) {
	q := newQuery(t)
	for _, tt := range []struct{ expression, want string }{
		{`sum by (dialect) (ws76_connections_open{job=~"$job"})`, ""},
		{`histogram_quantile(0.5, sum by (le, dialect) (rate(ws76_handshake_seconds_bucket[$__rate_interval])))`, ""},
		{`rate(ws76_handshakes_refused_total{reason=~"backend-unreachable|backend-timeout"}[5m])`, ""},
		{`go_goroutines + process_open_fds`, ""},
		{`sum by (dialect) (ws76_connections_open`, "unclosed left parenthesis"},
		{`ws76_connections_opened`, "there is no metric ws76_connections_opened"},
		{`ws76_connections_open_total`, "there is no metric ws76_connections_open_total"},
		{`rate(ws76_handshake_seconds[5m])`, "there is no metric ws76_handshake_seconds"},
		{`rate(ws76_http_requests_total_count[5m])`, "there is no metric ws76_http_requests_total_count"},
		{`ws76_http_requests_total`, "is a counter, and rated is false"},
		{`rate(ws76_connections_open[5m])`, "is a gauge, and rated is true"},
		{`ws76_connections_open{reason="x"}`, "has no label reason"},
		{`rate(ws76_handshakes_refused_total{reason=~"backend-timeout|backend-slack"}[5m])`, `has no reason="backend-slack"`},
		{`sum by (le) (rate(ws76_key3_wait_seconds_sum[5m]))`, "no label le to group by"},
		{`sum by (direction) (ws76_connections_open)`, "no label direction to group by"},
	} {
		problems := strings.Join(q.problems(tt.expression), "\n")
		if (tt.want == "") != (problems == "") || !strings.Contains(problems, tt.want) {
			t.Errorf("%s: the complaints are %q, want %q", tt.expression, problems, tt.want)
		}
	}
}
