package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// A source is a Go file; its path is relative to the repository.
type source struct {
	path   string
	fset   *token.FileSet
	syntax *ast.File
}

func parse(t testing.TB, name, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{name, fset, syntax}
}

func (s source) problem(n ast.Node, format string, args ...any) string {
	return s.fset.Position(n.Pos()).String() + ": " + fmt.Sprintf(format, args...)
}

// imports is the import paths by the names they have in the file.
func (s source) imports() map[string]string {
	names := map[string]string{}
	for _, spec := range s.syntax.Imports {
		p := unquote(spec.Path)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

func unquote(lit *ast.BasicLit) string {
	s, _ := strconv.Unquote(lit.Value)
	return s
}

// within reports whether a package is one of these, or below one of them.
func within(pkg string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return pkg == name || strings.HasPrefix(pkg, name+"/")
	})
}

type dependencyRule struct {
	room  string
	never []string
	why   string
}

// anything outside of the standard library.
const anything = "*"

var outsideStd = []string{anything}

// checkDependencies looks through all packages outside of the standard library
// that a room needs.
func checkDependencies(rule dependencyRule, deps []string) (problems []string) {
	for _, dep := range deps {
		if own := module + "/" + rule.room; dep != own && (rule.never[0] == anything || within(dep, rule.never)) {
			problems = append(problems, rule.room+" depends on "+dep)
		}
	}
	return problems
}

type importRule struct {
	files func(path string) bool
	never []string
	why   string
}

func all(string) bool { return true }

func allBut(names ...string) func(string) bool {
	return func(other string) bool { return !slices.Contains(names, other) }
}

func inRoom(room string) func(string) bool {
	return func(name string) bool { return strings.HasPrefix(name, room+"/") }
}

func checkImports(rule importRule, f source) (problems []string) {
	for _, spec := range f.syntax.Imports {
		if p := unquote(spec.Path); within(p, rule.never) {
			problems = append(problems, f.problem(spec, "imports %s", p))
		}
	}
	return problems
}

type callRule struct {
	pkg   string
	never []string
	why   string
}

// checkCalls looks for uses of functions, called or handed on.
func checkCalls(rule callRule, f source) (problems []string) {
	names := f.imports()
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			x, ok := sel.X.(*ast.Ident)
			if ok && names[x.Name] == rule.pkg && slices.Contains(rule.never, sel.Sel.Name) {
				problems = append(problems, f.problem(n, "uses %s.%s", rule.pkg, sel.Sel.Name))
			}
		}
		return true
	})
	if names["."] == rule.pkg {
		problems = append(problems, f.problem(f.syntax, "hides %s behind a dot", rule.pkg))
	}
	return problems
}

// checkPanics lets only those pass that say they are our own fault, and
// net/http's own way to cut an answer short, which it recovers.
func checkPanics(f source) (problems []string) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isIdent(call.Fun, "panic") || len(call.Args) != 1 || isAbortHandler(call.Args[0]) {
			return true
		}
		if !strings.HasPrefix(firstText(call.Args[0]), f.syntax.Name.Name+": internal error") {
			problems = append(problems, f.problem(n, "panics without saying %q first", f.syntax.Name.Name+": internal error"))
		}
		return true
	})
	return problems
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func isAbortHandler(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	return ok && isIdent(sel.X, "http") && sel.Sel.Name == "ErrAbortHandler"
}

// firstText is the literal that an expression begins with: itself, the first
// of a sum, or the format of a call.
func firstText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		return unquote(e)
	case *ast.BinaryExpr:
		return firstText(e.X)
	case *ast.CallExpr:
		if len(e.Args) > 0 {
			return firstText(e.Args[0])
		}
	}
	return ""
}

var logMethods = []string{"Trace", "Debug", "Info", "Warn", "Error"}

// checkLogCalls looks at every call of a method with the name and the
// arguments of one of hclog's: its message is a literal and its further
// arguments come in pairs, unless they are spread.
func checkLogCalls(f source) (found int, problems []string) {
	names := f.imports()
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains(logMethods, sel.Sel.Name) {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && names[x.Name] != "" {
			return true // a function of a package, like http.Error
		}
		found++
		if problem := logProblem(call); problem != "" {
			problems = append(problems, f.problem(n, "%s: %s", sel.Sel.Name, problem))
		}
		return true
	})
	return found, problems
}

func logProblem(call *ast.CallExpr) string {
	message, ok := call.Args[0].(*ast.BasicLit)
	switch text := ""; {
	case !ok || message.Kind != token.STRING:
		return "the message is not a literal"
	case unquote(message) == "":
		return "the message is empty"
	default:
		text = unquote(message)
		if first, last := rune(text[0]), rune(text[len(text)-1]); unicode.IsUpper(first) || unicode.IsPunct(last) {
			return "the message begins in upper case or ends with punctuation"
		}
	}
	if call.Ellipsis.IsValid() {
		return ""
	}
	pairs := call.Args[1:]
	if len(pairs)%2 != 0 {
		return "a key or a value has no partner"
	}
	for i := 0; i < len(pairs); i += 2 {
		if key, ok := pairs[i].(*ast.BasicLit); !ok || key.Kind != token.STRING {
			return fmt.Sprintf("key %d is not a literal", i/2+1)
		}
	}
	return ""
}

// checkDocs looks at the exported functions, methods, types, constants and
// variables of a file. Constants and variables of a group may share a comment.
// Error needs none: errors say what it returns.
func checkDocs(f source) (found int, problems []string) {
	check := func(name *ast.Ident, doc *ast.CommentGroup, articles ...string) {
		found++
		text := strings.TrimSpace(doc.Text())
		for _, article := range append(articles, "") {
			if begins(text, article+name.Name) {
				return
			}
		}
		problems = append(problems, f.problem(name, "%s has no comment that begins with its name", name.Name))
	}
	for _, decl := range f.syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d) && (d.Recv == nil || d.Name.Name != "Error") {
				check(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						check(s.Name, either(s.Doc, d.Doc), "A ", "An ", "The ")
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						if !name.IsExported() {
							continue
						}
						if d.Lparen.IsValid() && d.Doc != nil {
							found++
							continue
						}
						check(name, either(s.Doc, d.Doc))
					}
				}
			}
		}
	}
	return found, problems
}

// begins reports whether a text begins with a word.
func begins(text, word string) bool {
	rest, ok := strings.CutPrefix(text, word)
	return ok && (rest == "" || strings.ContainsRune(" ,.\n", rune(rest[0])))
}

func either(a, b *ast.CommentGroup) *ast.CommentGroup {
	if a != nil {
		return a
	}
	return b
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// A room is what a package may have.
type room struct {
	lines   int
	imports []string // packages, or modules of others with all their packages
}

// checkRoomImports compares what a file imports with what its package may.
func checkRoomImports(rooms map[string]room, f source) (problems []string) {
	for _, spec := range f.syntax.Imports {
		p := unquote(spec.Path)
		first, _, _ := strings.Cut(p, "/")
		allowed := slices.ContainsFunc(rooms[path.Dir(f.path)].imports, func(may string) bool {
			return p == may || !within(may, []string{module}) && within(p, []string{may})
		})
		if strings.Contains(first, ".") && !allowed {
			problems = append(problems, f.problem(spec, "imports %s", p))
		}
	}
	return problems
}

// checkCeilings compares the lines of code of each package with what it may have.
func checkCeilings(rooms map[string]room, lines map[string]int) (problems []string) {
	for _, pkg := range slices.Sorted(maps.Keys(lines)) {
		if r, ok := rooms[pkg]; !ok {
			problems = append(problems, fmt.Sprintf("%s has %d lines of code and no row", pkg, lines[pkg]))
		} else if lines[pkg] > r.lines {
			problems = append(problems, fmt.Sprintf("%s has %d lines of code, more than %d", pkg, lines[pkg], r.lines))
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(rooms)) {
		if lines[pkg] == 0 {
			problems = append(problems, pkg+" has a row and no code")
		}
	}
	return problems
}

func checkTopLevel(files []string) (problems []string) {
	for _, name := range files {
		top, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(topLevel, top) {
			problems = append(problems, name+" is not in the list of what is at the top")
		}
	}
	return problems
}

// holdsCode reports whether a file is written by hand to be run.
func holdsCode(name string) bool {
	base := path.Base(name)
	return !strings.HasSuffix(base, "_test.go") && !strings.Contains("/"+name, "/testdata/") &&
		path.Ext(base) != ".md" && path.Ext(base) != ".png" && !slices.Contains([]string{"LICENSE", "go.sum", "package-lock.json"}, base)
}

// codeLines counts lines that are neither blank nor, in Go, only comment.
func codeLines(name string, text []byte) int {
	lines := map[int]bool{}
	if path.Ext(name) != ".go" {
		for i, line := range strings.Split(string(text), "\n") {
			lines[i] = strings.TrimSpace(line) != ""
		}
		return count(lines)
	}
	fset := token.NewFileSet()
	file := fset.AddFile(name, -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return count(lines)
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue // put in by the scanner
		}
		first := file.Line(pos)
		for i := range 1 + strings.Count(lit, "\n") {
			lines[first+i] = true
		}
	}
}

func count(lines map[int]bool) (n int) {
	for _, code := range lines {
		if code {
			n++
		}
	}
	return n
}

func TestCheckDependenciesFinds(t *testing.T) {
	for _, tt := range []struct {
		never []string
		deps  []string
		want  int
	}{
		{outsideStd, []string{module + "/legacy"}, 0},
		{outsideStd, []string{module + "/legacy", gorillaMod}, 1},
		{outsideStd, []string{module + "/legacy", module + "/modern"}, 1},
		{[]string{hclogMod, prometheusMod}, []string{hclogMod, prometheusMod + "/prometheus", hclogMod + "-else"}, 2},
		{[]string{module + "/translate"}, []string{module + "/legacy", module + "/translate"}, 1},
	} {
		if got := checkDependencies(dependencyRule{room: "legacy", never: tt.never}, tt.deps); len(got) != tt.want {
			t.Errorf("never %q, depends on %q: found %q, want %d", tt.never, tt.deps, got, tt.want)
		}
	}
}

// Every check is shown a file with what it forbids, and one that comes close.
func TestChecksFind(t *testing.T) {
	imports := func(never ...string) func(source) []string {
		return func(f source) []string { return checkImports(importRule{never: never}, f) }
	}
	calls := func(pkg string, never ...string) func(source) []string {
		return func(f source) []string { return checkCalls(callRule{pkg: pkg, never: never}, f) }
	}
	logs := func(f source) []string { _, p := checkLogCalls(f); return p }
	docs := func(f source) []string { _, p := checkDocs(f); return p }
	for _, tt := range []struct {
		name  string
		check func(source) []string
		text  string
		want  int
	}{
		{"import", imports("log", "math/rand"), `import ("log"; "math/rand/v2"; r "math/rand"; "log/slog")`, 4},
		{"import that comes close", imports("net", "log"), `import ("network"; "a/log"; "netip")`, 0},
		{"import for its effects", imports("unsafe"), `import _ "unsafe"`, 1},

		{"call", calls("os", "Exit"), `import "os"; func f() { os.Exit(1) }`, 1},
		{"function handed on", calls("os", "Getenv"), `import "os"; var f = os.Getenv`, 1},
		{"call by another name", calls("os", "Exit"), `import sys "os"; func f() { sys.Exit(1) }`, 1},
		{"call behind a dot", calls("os", "Exit"), `import . "os"; func f() { Exit(1) }`, 1},
		{"call that comes close", calls("os", "Exit"), `import "a/b/os/v2"; func f() { v2.Exit(1); os.Exit(1) }`, 0},

		{"panic", checkPanics, `func f() { panic("oh") }`, 1},
		{"panic with a value", checkPanics, `func f(err error) { panic(err) }`, 1},
		{"panic with an error of net/http", checkPanics, `func f() { panic(http.ErrServerClosed) }`, 1},
		{"panic of another package", checkPanics, `func f() { panic("q: internal error: x") }`, 1},
		{"panic that is our fault", checkPanics, `import "fmt"; func f() {
			panic("p: internal error: a")
			panic("p: internal error: " + x)
			panic(fmt.Sprintf("p: internal error: %d", 1))
			panic(http.ErrAbortHandler)
		}`, 0},

		{"log message made up", logs, `func f() { l.Info("a " + b); l.Named("x").Warn(fmt.Sprint(1)); l.Error(err.Error()) }`, 3},
		{"log without partner", logs, `func f() { l.Debug("a", "key"); l.Trace("a", "key", 1, 2) }`, 2},
		{"log key made up", logs, `func f() { l.Info("a", key, 1) }`, 1},
		{"log style", logs, `func f() { l.Info("Serving"); l.Info("served."); l.Info("") }`, 3},
		{"log as it should be", logs, `import "net/http"; func f() {
			l.Info("a"); l.Warn("a b", "key", 1, "k", v); l.Error("a", args...)
			http.Error(w, text(), 1); err.Error()
		}`, 0},

		{"no comment", docs, `func F() {}; type T int; const C = 1; var V int; func (T) M() {}; func (*T) N() {}`, 6},
		{"comment on something else", docs, "// It is.\nfunc F() {}\n// Tea is hot.\ntype T int\n// CC is.\nconst C = 1", 3},
		{"group without comment", docs, "const (\n\tA = 1\n\t// B is.\n\tB = 2\n)", 1},
		{"comments as they should be", docs, "// F is.\nfunc F() {}\n// A T is.\ntype T int\n// These are.\nconst (\n\tA = 1\n)\n" +
			"func (T) Error() string { return \"\" }\nfunc (t) M() {}\nfunc f() {}\nvar v int\n// N is.\nfunc (*T) N() {}", 0},
	} {
		got := tt.check(parse(t, "p/planted.go", "package p\n"+tt.text))
		if len(got) != tt.want {
			t.Errorf("%s: found %d, want %d:\n%s", tt.name, len(got), tt.want, strings.Join(got, "\n"))
		}
	}
}

func TestCheckRoomsFinds(t *testing.T) {
	rooms := map[string]room{"p": {lines: 1, imports: []string{module + "/legacy", gorillaMod}}, "long": {lines: 2}, "gone": {lines: 1}}
	if got := checkCeilings(rooms, map[string]int{"p": 1, "long": 3, "new": 1}); len(got) != 3 {
		t.Errorf("lines: found %q, want 3", got)
	}
	f := parse(t, "p/planted.go", `package p; import ("net/http"; "`+module+`/legacy"; "`+module+`/legacy/sub"; "`+gorillaMod+`/x"; "`+hclogMod+`")`)
	if got := checkRoomImports(rooms, f); len(got) != 2 {
		t.Errorf("imports: found %q, want 2", got)
	}
}

func TestCheckTopLevelFinds(t *testing.T) {
	files := []string{"cmd/ws76/main.go", ".ci/run", "go.mod", "util/x.go", "notes.txt", "cmds/x.go"}
	if got := checkTopLevel(files); len(got) != 3 {
		t.Errorf("found %q, want 3", got)
	}
}

func TestCodeLines(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"a.go", "", 0},
		{"a.go", "// Package a is.\npackage a\n\n/* two\nlines */\nvar s = `three\n\nlines` // more\n", 4},
		{"a.js", "a\n\n  \n  b\n// c\n", 3},
	} {
		if got := codeLines(tt.name, []byte(tt.text)); got != tt.want {
			t.Errorf("codeLines(%s, %q) = %d, want %d", tt.name, tt.text, got, tt.want)
		}
	}
	for name, want := range map[string]bool{
		"cmd/ws76/main.go": true, "docker/Dockerfile": true, ".ci/run": true, "docker/proxies/nginx.conf": true,
		"cmd/ws76/main_test.go": false, "legacy/legacytest/testdata/frames.json": false, "README.md": false, "go.sum": false,
	} {
		if got := holdsCode(name); got != want {
			t.Errorf("holdsCode(%s) = %t, want %t", name, got, want)
		}
	}
}
