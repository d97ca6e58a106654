package main

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rules of the house and what each is good for. house_checks_test.go has
// the checks, and shows each of them something to find.

// root is the repository, seen from this package.
const root = "../.."

const (
	module        = "github.com/ws76/ws76"
	gorillaMod    = "github.com/gorilla/websocket"
	systemdMod    = "github.com/coreos/go-systemd/v22"
	hclogMod      = "github.com/hashicorp/go-hclog"
	envconfigMod  = "github.com/kelseyhightower/envconfig"
	goInternalMod = "github.com/rogpeppe/go-internal"
	prometheusMod = "github.com/prometheus/client_golang"
	proxyprotoMod = "github.com/pires/go-proxyproto"
)

// agreed is what go.mod requires for our own code, and nothing else. Heavier
// needs of tests are those of a module of their own.
var agreed = map[string]string{
	gorillaMod:    "dials the backend; a peer of RFC 6455 in the demo and in tests",
	systemdMod:    "sockets from systemd, and telling it how ws76 is",
	hclogMod:      "the log",
	envconfigMod:  "the environment",
	proxyprotoMod: "the PROXY protocol",
	prometheusMod: "metrics",
	goInternalMod: "tests of the command as scripts",
}

// dependencyRules hold for everything that a room pulls in, however deep.
var dependencyRules = []dependencyRule{
	{"legacy", outsideStd, "the wire stays readable and reusable; net/http is its only big friend"},
	{"modern", []string{module + "/legacy", module + "/translate"}, "only translate knows both wires"},
	{"modern", []string{hclogMod}, "it returns errors that carry their reason; translate logs"},
	{"modern", []string{envconfigMod}, "one place reads the environment"},
	{"translate", []string{envconfigMod, prometheusMod, proxyprotoMod}, "edge matters belong to the command"},
}

// rooms are all packages: the most lines of code that each may have, without comments,
// blank lines and tests, and all that it may import besides the standard library.
// The lines fall with what leaves a package; they rise only in the commit that adds what
// needs them.
var rooms = map[string]room{
	"legacy":            {1250, nil},
	"legacy/legacytest": {71, []string{module + "/legacy"}},
	"modern":            {826, []string{gorillaMod}},
	"translate": {1146, []string{
		module + "/translate/internal/admission",
		module + "/translate/internal/census",
		module + "/translate/internal/checks",
		module + "/translate/internal/diagnosis",
		module + "/translate/internal/opening",
		module + "/translate/internal/redact",
		module + "/translate/internal/refusal",
		module + "/translate/internal/response",
		module + "/translate/internal/codec", module + "/translate/internal/forward", module + "/translate/internal/plain", module + "/translate/internal/rawhead",
		module + "/translate/internal/relay", module + "/translate/internal/session", module + "/translate/internal/sockets", module + "/translate/proxies", module + "/legacy", module + "/modern", hclogMod,
	}},
	"translate/internal/admission": {247, nil},
	"translate/internal/census":    {137, []string{module + "/legacy"}},
	"translate/internal/checks":    {158, []string{module + "/translate/internal/forward", module + "/legacy"}},
	"translate/internal/diagnosis": {177, []string{module + "/translate/proxies", module + "/legacy"}},
	"translate/internal/opening":   {343, []string{module + "/translate/internal/checks", module + "/translate/internal/codec", module + "/translate/internal/forward", module + "/translate/internal/relay", module + "/translate/proxies", module + "/legacy", module + "/modern"}},
	"translate/internal/redact":    {71, nil},
	"translate/internal/refusal": {125, []string{
		module + "/translate/internal/admission", module + "/translate/internal/checks", module + "/translate/internal/plain", module + "/translate/internal/redact",
		module + "/translate/internal/response", module + "/translate/internal/session", module + "/legacy", module + "/modern",
	}},
	"translate/internal/response": {138, []string{module + "/translate/internal/forward", module + "/modern"}},

	"translate/internal/session": {342, []string{module + "/translate/internal/admission", module + "/translate/internal/codec", module + "/translate/internal/relay", module + "/legacy", module + "/modern"}},

	"translate/internal/codec":   {796, []string{module + "/legacy", module + "/modern"}},
	"translate/internal/forward": {257, nil},
	"translate/internal/plain":   {534, []string{module + "/translate/internal/forward", module + "/modern"}},
	"translate/internal/rawhead": {265, []string{module + "/modern"}},
	"translate/internal/relay":   {1721, []string{module + "/translate/internal/sockets"}},
	"translate/internal/sockets": {632, nil},
	"translate/wiretest":         {219, nil},
	"translate/proxies":          {226, nil},

	"cmd/ws76": {985, []string{
		module + "/cmd/ws76/internal/manual",
		module + "/cmd/ws76/internal/admin", module + "/cmd/ws76/internal/certs", module + "/cmd/ws76/internal/check", module + "/cmd/ws76/internal/config",
		module + "/cmd/ws76/internal/demo", module + "/cmd/ws76/internal/inspect", module + "/cmd/ws76/internal/listen", module + "/cmd/ws76/internal/logging", module + "/cmd/ws76/internal/metrics",
		module + "/cmd/ws76/internal/connect", module + "/cmd/ws76/internal/probe", module + "/cmd/ws76/internal/reach", module + "/cmd/ws76/internal/host", module + "/cmd/ws76/internal/selftest", module + "/cmd/ws76/internal/terminal", module + "/translate", module + "/legacy", module + "/modern", hclogMod,
	}},
	"cmd/ws76/internal/config": {756, []string{module + "/translate", module + "/legacy", envconfigMod}},
	"cmd/ws76/internal/certs":  {250, []string{module + "/cmd/ws76/internal/config", hclogMod}},
	"cmd/ws76/internal/listen": {445, []string{module + "/cmd/ws76/internal/certs", module + "/cmd/ws76/internal/config", module + "/translate", module + "/legacy", systemdMod, hclogMod, proxyprotoMod}},
	"cmd/ws76/internal/admin": {335, []string{
		module + "/cmd/ws76/internal/check", module + "/cmd/ws76/internal/config", module + "/cmd/ws76/internal/inspect", module + "/translate", module + "/legacy", hclogMod,
	}},
	"cmd/ws76/internal/inspect":  {1253, []string{module + "/translate", module + "/legacy", module + "/modern"}},
	"cmd/ws76/internal/selftest": {533, []string{module + "/cmd/ws76/internal/logging", module + "/translate", module + "/translate/proxies", module + "/legacy", module + "/modern", gorillaMod}},
	"cmd/ws76/internal/metrics": {154, []string{
		module + "/cmd/ws76/internal/certs", module + "/cmd/ws76/internal/check", module + "/cmd/ws76/internal/listen", module + "/translate", module + "/legacy", prometheusMod,
	}},
	"cmd/ws76/internal/demo": {293, []string{
		module + "/cmd/ws76/internal/connect", module + "/cmd/ws76/internal/listen", module + "/cmd/ws76/internal/terminal", module + "/translate", module + "/legacy", module + "/modern", gorillaMod,
	}},
	"cmd/ws76/internal/check":    {337, []string{module + "/translate", module + "/legacy", module + "/modern", hclogMod}},
	"cmd/ws76/internal/logging":  {375, []string{module + "/cmd/ws76/internal/check", module + "/cmd/ws76/internal/config", hclogMod}},
	"cmd/ws76/internal/host":     {109, []string{systemdMod, hclogMod}},
	"cmd/ws76/internal/terminal": {52, nil},
	"cmd/ws76/internal/manual":   {202, []string{module + "/cmd/ws76/internal/config"}},
	"cmd/ws76/internal/connect":  {485, []string{module + "/cmd/ws76/internal/reach", module + "/cmd/ws76/internal/terminal", module + "/legacy", gorillaMod}},
	"cmd/ws76/internal/reach":    {145, []string{module + "/cmd/ws76/internal/check"}},
	"cmd/ws76/internal/probe":    {730, []string{module + "/cmd/ws76/internal/reach", module + "/translate/proxies", module + "/legacy", module + "/modern"}},

	"docker/demo/app": {152, []string{gorillaMod, hclogMod}},
}

// importRules hold for what our own files import: net/http itself pulls in
// log, math/rand and crypto/md5.
var importRules = []importRule{
	{allBut("legacy/legacytest/legacytest.go", "translate/wiretest/wire.go", "translate/wiretest/serve.go"), []string{"testing", "testing/synctest"}, "tests are not part of the product"},
	{all, []string{"math/rand"}, "masking keys and challenges are unpredictable: crypto/rand"},
	{allBut("translate/internal/sockets/epoll_linux.go", "translate/internal/sockets/rawio_linux.go", "translate/internal/sockets/queue_linux.go"), []string{"unsafe"}, "what a peer sent is never looked at without bounds; the exceptions name their gain"},
	{allBut("cmd/ws76/internal/logging/nethttp.go"), []string{"log"}, "there is one logger, and it is hclog; the one exception leads the other there"},
	{func(name string) bool { return path.Dir(name) == "legacy" }, []string{hclogMod, module}, "a wire has no log and no other room"},
	{inRoom("translate"), []string{"os/signal", "flag"}, "edge matters belong to the command"},
	{inRoom("translate/internal/codec"), []string{"net", "time", "os"}, "pure means testable at every cut"},
	{inRoom("translate/internal/session"), []string{"net", "os"}, "events in, actions out: its clock comes with the events"},
}

// callRules hold for calls outside of programs.
var callRules = []callRule{
	{"os", []string{"Exit"}, "only the command ends the process"},
	{"os", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv"}, "only the command reads the environment"},
	{"syscall", []string{"Exit", "Getenv", "Environ", "Setenv"}, "nor does anybody else by the back door"},
	{"runtime", []string{"SetFinalizer", "Goexit"}, "ends are said, not left to happen"},
}

// topLevel is what the repository shows first. Names that begin with a dot are
// for tools.
var topLevel = []string{
	"cmd", "docker", "legacy", "modern", "translate",
	"go.mod", "go.sum", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md",
}

// maxCode is how many lines of code a file has at most.
const maxCode = 450

func TestDependencies(t *testing.T) {
	for _, rule := range dependencyRules {
		deps := goList(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./"+rule.room)
		report(t, rule.why, checkDependencies(rule, deps))
	}
}

func TestImports(t *testing.T) {
	files := productFiles(t)
	for _, rule := range importRules {
		seen := 0
		for _, f := range files {
			if rule.files(f.path) {
				seen++
				report(t, rule.why, checkImports(rule, f))
			}
		}
		if seen == 0 {
			t.Errorf("the rule against %q is for no file", rule.never)
		}
	}
}

// A rule against a name that nothing has any more could not fail.
func TestForbiddenNamesExist(t *testing.T) {
	known := append(goList(t, "std"), goList(t, "./...")...)
	known = append(known, module)
	known = append(known, requirements(t, func(indirect bool) bool { return true })...)
	names := map[string]bool{}
	for _, rule := range dependencyRules {
		for _, name := range rule.never {
			names[name] = name != anything
		}
	}
	for _, rule := range importRules {
		for _, name := range rule.never {
			names[name] = true
		}
	}
	for name, isName := range names {
		if isName && !slices.Contains(known, name) {
			t.Errorf("nothing is called %s", name)
		}
	}
}

func TestRequirementsAreAgreed(t *testing.T) {
	got := requirements(t, func(indirect bool) bool { return !indirect })
	want := slices.Sorted(maps.Keys(agreed))
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("go.mod requires directly\n  %s\nagreed is\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestCalls(t *testing.T) {
	for _, f := range productFiles(t) {
		if inRoom("cmd")(f.path) || inRoom("docker")(f.path) {
			continue // a program
		}
		for _, rule := range callRules {
			report(t, rule.why, checkCalls(rule, f))
		}
		report(t, "nobody panics on what a peer sent", checkPanics(f))
	}
}

func TestLogCalls(t *testing.T) {
	calls := 0
	for _, f := range productFiles(t) {
		found, problems := checkLogCalls(f)
		calls += found
		report(t, "a peer cannot forge a line, and every value has its key", problems)
	}
	if calls < 5 {
		t.Errorf("only %d calls of the logger found", calls)
	}
}

func TestDocComments(t *testing.T) {
	names := 0
	for _, f := range productFiles(t) {
		if inRoom("legacy")(f.path) || inRoom("modern")(f.path) || inRoom("translate")(f.path) {
			found, problems := checkDocs(f)
			names += found
			report(t, "what another room uses is documented, beginning with its name", problems)
		}
	}
	if names < 50 {
		t.Errorf("only %d exported names found", names)
	}
}

func TestTopLevel(t *testing.T) {
	report(t, "the first screen is short", checkTopLevel(tracked(t)))
}

func TestFileLength(t *testing.T) {
	files := 0
	for _, name := range tracked(t) {
		if !holdsCode(name) || strings.HasPrefix(name, "docker/bench/") {
			continue // the load generator is a module of its own, one file a program
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		} else if err != nil {
			t.Fatal(err)
		}
		files++
		if n := codeLines(name, text); n > maxCode {
			t.Errorf("%s has %d lines of code, more than %d", name, n, maxCode)
		}
	}
	if files < 20 {
		t.Errorf("only %d files with code found", files)
	}
}

func TestRooms(t *testing.T) {
	files := productFiles(t)
	lines := map[string]int{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(root, f.path))
		if err != nil {
			t.Fatal(err)
		}
		lines[path.Dir(f.path)] += codeLines(f.path, text)
		report(t, "imports run one way", checkRoomImports(rooms, f))
	}
	report(t, "a room that outgrows its plan wants a wall", checkCeilings(rooms, lines))
}

func report(t *testing.T, why string, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Errorf("%s (%s)", p, why)
	}
}

// productFiles is all Go files but tests. A directory with a go.mod of its own
// is another house.
func productFiles(t *testing.T) []source {
	t.Helper()
	var files []source
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			if rel != "." && (err == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if path.Ext(d.Name()) != ".go" || strings.HasSuffix(d.Name(), "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		files = append(files, parse(t, filepath.ToSlash(rel), string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("only %d files found", len(files))
	}
	return files
}

// output is what a program says about the repository.
func output(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	require(t, program)
	cmd := exec.Command(program, args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		t.Fatalf("%s: %v: %s", cmd, err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return out
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	return strings.Fields(string(output(t, "go", append([]string{"list"}, args...)...)))
}

// requirements is the paths of the modules that go.mod requires.
func requirements(t *testing.T, want func(indirect bool) bool) (paths []string) {
	t.Helper()
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(output(t, "go", "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if want(r.Indirect) {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// tracked is the files under version control.
func tracked(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		missing(t, "not a checkout: %v", err)
	}
	return strings.Split(strings.TrimSuffix(string(output(t, "git", "ls-files", "-z")), "\x00"), "\x00")
}
