package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A dashboard is what ours has of Grafana's model. It has no "id", which would
// be that of one installation.
type dashboard struct {
	UID, Title, Description, Refresh string
	Tags                             []string
	SchemaVersion, GraphTooltip      int
	Editable                         bool
	Time                             struct{ From, To string }
	Templating                       struct{ List []variable }
	Panels                           []panel
}

type variable struct {
	Name, Label, Type, Query string
	Datasource               *datasource
	Refresh                  int
	Multi, IncludeAll        bool
	Current                  struct{ Text, Value string }
}

type datasource struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Collapsed                bool
	Panels                   []panel
	Datasource               *datasource
	FieldConfig              struct {
		Defaults struct {
			Unit, NoValue string
			Min, Max      *float64
			Custom        struct {
				FillOpacity int
				Stacking    struct{ Mode string }
				ShowPoints  string
			}
			Thresholds struct {
				Mode  string
				Steps []struct {
					Color string
					Value *float64
				}
			}
		}
		Overrides []any
	}
	Options map[string]any
	Targets []struct {
		RefID, Expr, LegendFormat string
		Instant                   bool
	}
}

// schemaVersion is that of Grafana 12: DASHBOARD_SCHEMA_VERSION in its sources.
const schemaVersion = 42

// panelUnits are those of Grafana's that the panels have.
var panelUnits = []string{"short", "cps", "s", "Bps", "bytes", "percentunit", "dateTimeFromNow"}

func readDashboard(t *testing.T, text string) (d dashboard) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestGrafana(t *testing.T) {
	q := newQuery(t)
	d := readDashboard(t, readFile(t, "docker/grafana/ws76.json"))
	for _, problem := range d.problems(q) {
		t.Error(problem)
	}
	for name := range readmeMetrics(t) {
		if !q.used[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func (d *dashboard) problems(q *query) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if d.SchemaVersion != schemaVersion || d.UID == "" || len(d.Panels) < 15 {
		complain("schemaVersion %d, uid %q, %d panels", d.SchemaVersion, d.UID, len(d.Panels))
	}
	for _, v := range d.Templating.List {
		ask, isQuery := strings.CutPrefix(v.Query, "label_values(")
		if v.Type == "query" != isQuery || isQuery && !ours(v.Datasource) {
			complain("variable %s: asks %q of %v", v.Name, v.Query, v.Datasource)
		}
		if expression, label, _ := strings.Cut(ask, ", "); isQuery {
			problems = append(problems, q.problems(expression)...)
			if !slices.Contains(scraped, strings.TrimSuffix(label, ")")) {
				complain("variable %s: there is no label %s", v.Name, label)
			}
		}
	}
	taken := map[string]string{} // places, and ids
	take := func(place string, p panel) {
		if other := taken[place]; other != "" {
			complain("%s: %s is taken by %s", p.Title, place, other)
		}
		taken[place] = p.Title
	}
	for _, p := range d.Panels {
		take(fmt.Sprintf("id %d", p.ID), p)
		for i := range p.GridPos.W * p.GridPos.H {
			take(fmt.Sprintf("column %d, line %d", p.GridPos.X+i%p.GridPos.W, p.GridPos.Y+i/p.GridPos.W), p)
		}
		if p.GridPos.X+p.GridPos.W > 24 || p.Title == "" {
			complain("%s: does not fit in 24 columns, or has no title", p.Title)
		}
		if p.Type == "row" {
			continue
		}
		if !ours(p.Datasource) || !slices.Contains(panelUnits, p.FieldConfig.Defaults.Unit) || len(p.Targets) == 0 {
			complain("%s: datasource %v, unit %q, %d queries", p.Title, p.Datasource, p.FieldConfig.Defaults.Unit, len(p.Targets))
		}
		for i, target := range p.Targets {
			if target.RefID != string(rune('A'+i)) || target.LegendFormat == "" || !strings.Contains(target.Expr, `{job=~"$job", instance=~"$instance"`) {
				complain("%s: query %d has refId %q, legend %q, or is for every job", p.Title, i, target.RefID, target.LegendFormat)
			}
			problems = append(problems, q.problems(target.Expr)...)
		}
	}
	return problems
}

// ours reports whether a datasource is the one that the reader chooses.
func ours(d *datasource) bool { return d != nil && *d == datasource{"prometheus", "${datasource}"} }

// Each change to the dashboard must be found.
func TestGrafanaProblems(t *testing.T) {
	text := readFile(t, "docker/grafana/ws76.json")
	for _, tt := range []struct{ from, to, want string }{
		{`"schemaVersion": 42`, `"schemaVersion": 16`, "schemaVersion 16"},
		{`"id": 3,`, `"id": 2,`, "id 2 is taken"},
		{`{"x": 8, "y": 1, `, `{"x": 7, "y": 1, `, "column 7, line 1 is taken"},
		{`{"x": 16, "y": 1, `, `{"x": 17, "y": 1, `, "does not fit"},
		{`"unit": "cps"`, `"unit": "per second"`, `unit "per second"`},
		{`"uid": "${datasource}"`, `"uid": "P1809F7CD0C75ACF3"`, "P1809F7CD0C75ACF3"},
		{`"refId": "B"`, `"refId": "A"`, `refId "A"`},
		{`{job=~\"$job\", instance=~\"$instance\"}[$__range]`, `[$__range]`, "for every job"},
		{"sum by (dialect)", "sum by (dialekt)", "no label dialekt"},
		{"label_values(ws76_build_info, job)", "label_values(ws76_info, job)", "no metric ws76_info"},
	} {
		changed := strings.ReplaceAll(text, tt.from, tt.to)
		if changed == text {
			t.Errorf("the dashboard has no %s", tt.from)
		}
		d := readDashboard(t, changed)
		if problems := strings.Join(d.problems(newQuery(t)), "\n"); !strings.Contains(problems, tt.want) {
			t.Errorf("%s: the complaints are %q, want %q", tt.to, problems, tt.want)
		}
	}
}
