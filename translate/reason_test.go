package translate

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/refusal"
	"github.com/ws76/ws76/translate/internal/session"
)

// reasonsOf returns every reason of a package, name to word: the constants of its
// error.go, or of the file that has them instead; in translate, those of type Reason, of
// which none should be its own.
func reasonsOf(t *testing.T, dir string) map[string]Reason {
	t.Helper()
	pattern := "error.go"
	switch dir {
	case "internal/admission":
		pattern = "admission.go"
	case ".":
		pattern = "*.go"
	case "internal/refusal", "internal/session":
		pattern = "reason.go"
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]Reason{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Names) != len(v.Values) {
				return true
			}
			if name, ok := v.Type.(*ast.Ident); dir == "." && (!ok || name.Name != "Reason") {
				return true
			}
			for i := range v.Names {
				literal, ok := v.Values[i].(*ast.BasicLit)
				if !ok {
					return true // a table
				}
				word, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				reasons[v.Names[i].Name] = Reason(word)
			}
			return true
		})
	}
	return reasons
}

// Every reason is a word that says what it means, and another one than all
// others, but for the limit that both scanners have.
func TestReasons(t *testing.T) {
	word := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[Reason]string{legacy.MessageTooBig: "legacy and modern"}
	for _, p := range []struct {
		dir      string
		atLeast  int
		describe func(Reason) string
	}{
		{".", 0, func(Reason) string { return "a description, in the room of the word" }},
		{"internal/refusal", 5, func(r Reason) string { return refusal.Describe(string(r)) }},
		{"internal/admission", 4, func(r Reason) string { return admission.Describe(string(r)) }},
		{"internal/session", 15, func(r Reason) string { return session.Describe(string(r)) }},
		{"internal/checks", 7, func(r Reason) string { return checks.Describe(string(r)) }},
		{"../legacy", 25, func(r Reason) string { return legacy.Describe(string(r)) }},
		{"../modern", 18, func(r Reason) string { return modern.Describe(string(r)) }},
	} {
		reasons := reasonsOf(t, p.dir)
		if len(reasons) < p.atLeast {
			t.Fatalf("%s: %d reasons, want at least %d", p.dir, len(reasons), p.atLeast)
		}
		for name, r := range reasons {
			t.Run(p.dir+"/"+name, func(t *testing.T) {
				if !word.MatchString(string(r)) {
					t.Errorf("%q is no word", r)
				}
				if p.describe(r) == "" || r.Description() != p.describe(r) {
					t.Errorf("got %q, want %q", r.Description(), p.describe(r))
				}
				if other := seen[r]; other != "" && name != "MessageTooBig" {
					t.Errorf("%q is also %s", r, other)
				}
				seen[r] = name
			})
		}
	}
	if got := Reason("none").Description(); got != "" {
		t.Errorf("got %q for a word that is no reason", got)
	}
}

// What the log says, the README explains.
func TestReadmeHasTheReasons(t *testing.T) {
	readme, err := os.ReadFile("../cmd/ws76/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"internal/refusal", "internal/admission", "internal/session", "internal/checks", "../legacy", "../modern"} {
		for name, r := range reasonsOf(t, dir) {
			if r == legacy.BadResponse || r == legacy.NotLegacy || r == legacy.ForeignOrigin {
				continue // of legacy.Dialer and legacy.Upgrader, which the gateway does not use
			}
			if !bytes.Contains(readme, []byte("`"+string(r)+"`")) {
				t.Errorf("it has no `%s`, %s of %s", r, name, dir)
			}
		}
	}
}
