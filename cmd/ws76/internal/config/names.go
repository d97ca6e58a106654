package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// wordEnds match where a word of a field's name ends: Listen|Timeout, TLS|Listen.
var wordEnds = []*regexp.Regexp{regexp.MustCompile(`([a-z0-9])([A-Z])`), regexp.MustCompile(`([A-Z]+)([A-Z][a-z])`)}

func variableName(field reflect.StructField) string {
	name := field.Name
	for _, end := range wordEnds {
		name = end.ReplaceAllString(name, "${1}_${2}")
	}
	return prefix + strings.ToUpper(name)
}

// Names are the names of all variables.
func Names() []string {
	var names []string
	for field := range reflect.TypeFor[Config]().Fields() {
		names = append(names, variableName(field))
	}
	return names
}

// mayBeFile reports whether the variable may be given as NAME_FILE.
func mayBeFile(field reflect.StructField) bool {
	return field.Type == reflect.TypeFor[PEM]() || field.Type == reflect.TypeFor[Secret]()
}

// fieldOf returns the field of a variable, which may have the suffix _FILE.
func fieldOf(name string) (field reflect.StructField, ok bool) {
	for field := range reflect.TypeFor[Config]().Fields() {
		if known := variableName(field); name == known || mayBeFile(field) && name == known+fileSuffix {
			return field, true
		}
	}
	return field, false
}

// injectors are the platforms that set variables named after a service, which may begin
// with our prefix: a variable is theirs if they set the marker for that service too. No
// variable of ours ends in _PORT.
var injectors = []struct {
	marker *regexp.Regexp // NAME=value, with the service as its group
	suffix *regexp.Regexp
}{
	{regexp.MustCompile(`^(\w+)_SERVICE_HOST=.`), regexp.MustCompile(`^_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|` + port + `)$`)}, // Kubernetes
	{regexp.MustCompile(`^(\w+)_NAME=/.`), regexp.MustCompile(`^_(?:NAME|ENV_.+|` + port + `)$`)},                               // docker run --link
}

const port = `PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?`

// injected reports whether Kubernetes or Docker set the variable, for a service whose
// name begins with ws76.
func injected(name string, environ []string) bool {
	for _, platform := range injectors {
		for _, entry := range environ {
			service := platform.marker.FindStringSubmatch(entry)
			if service == nil {
				continue
			}
			if rest, of := strings.CutPrefix(name, service[1]); of && platform.suffix.MatchString(rest) {
				return true
			}
		}
	}
	return false
}

// usedByOthers are names that programs which start ws76 use for themselves.
var usedByOthers = []string{"WS76_BIN"}

// unknownVariables finds variables that have our prefix and that nothing reads: a
// misspelt setting must not be ignored.
func unknownVariables(environ []string) (problems Errors) {
	known := Names()
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		_, isField := fieldOf(name)
		if !strings.HasPrefix(name, prefix) || isField || slices.Contains(usedByOthers, name) || injected(name, environ) {
			continue
		}
		problems = append(problems, Problem{
			vars: []string{name}, name: name, misnamed: true,
			err: fmt.Errorf("there is no such variable; did you mean %s?", Nearest(name, known)),
		})
	}
	return problems
}

// Nearest is the name that takes the fewest edits.
func Nearest(name string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int { return edits(name, a) - edits(name, b) })
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(diagonal+cost, row[j]+1, row[j+1]+1)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// A Setting is the value that a variable has.
type Setting struct {
	Name, Value string // without secrets
	Default     bool
}

// Settings are those of all variables.
func Settings() (settings []Setting) {
	for field := range reflect.TypeFor[Config]().Fields() {
		name, value := lookup(field)
		def := field.Tag.Get("default")
		settings = append(settings, Setting{name, Mask(name, cmp.Or(value, def)), value == "" || value == def})
	}
	return settings
}

// Show is the value of a variable without secrets.
func Show(name string) string {
	for _, s := range Settings() {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

// NotDefault is NAME=value of each setting that is not the default.
func NotDefault() (settings []string) {
	for _, s := range Settings() {
		if !s.Default {
			settings = append(settings, s.Name+"="+s.Value)
		}
	}
	return settings
}

// A Variable is what the documentation says of one.
type Variable struct {
	Name, Default, Meaning string // Default is empty if there is none
}

// A Group is variables that belong together.
type Group struct {
	Title     string
	Variables []Variable
}

// titles are those of the groups, each with what matches its variables behind the
// prefix; the first that matches counts.
var titles = []struct {
	title string
	names *regexp.Regexp
}{
	{"The backend", regexp.MustCompile(`^BACKEND`)},
	{"TLS for clients", regexp.MustCompile(`^TLS_`)},
	{"Limits", regexp.MustCompile(`^MAX_`)},
	{"Timeouts", regexp.MustCompile(`_(TIMEOUT|INTERVAL|DELAY)$`)},
	{"Operation", regexp.MustCompile(`^(ADMIN|PPROF|LOG|INSPECT)`)},
	{"Clients and messages", regexp.MustCompile(``)},
}

// Groups are all variables, those of clients first.
func Groups() []Group {
	groups := make([]Group, len(titles))
	for field := range reflect.TypeFor[Config]().Fields() {
		v := Variable{variableName(field), field.Tag.Get("default"), field.Tag.Get("desc")}
		for i := range titles {
			if titles[i].names.MatchString(strings.TrimPrefix(v.Name, prefix)) {
				groups[i].Title = titles[i].title
				groups[i].Variables = append(groups[i].Variables, v)
				break
			}
		}
	}
	last := len(groups) - 1
	return append(groups[last:], groups[:last]...)
}

// Table is the variables as Markdown, a table for each group.
func Table() string {
	var b strings.Builder
	for _, g := range Groups() {
		fmt.Fprintf(&b, "### %s\n\n| variable | default | meaning |\n|---|---|---|\n", g.Title)
		for _, v := range g.Variables {
			def := v.Default
			if def != "" {
				def = "`" + def + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, def, v.Meaning)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
