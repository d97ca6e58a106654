package translate

import (
	"bytes"
	"fmt"
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
)

// reasonsOf is every constant of type Reason in a package: name to word.
func reasonsOf(t *testing.T, dir string) map[string]Reason {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
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
			if name, ok := v.Type.(*ast.Ident); !ok || name.Name != "Reason" {
				return true
			}
			for i := range v.Names {
				word, err := strconv.Unquote(v.Values[i].(*ast.BasicLit).Value)
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
	seen := map[Reason]string{Reason(legacy.MessageTooBig): "legacy and modern"}
	for _, p := range []struct {
		dir      string
		atLeast  int
		sentence func(Reason) string
	}{
		{".", 19, func(r Reason) string { return sentences[r] }},
		{"../legacy", 25, func(r Reason) string { return legacy.Reason(r).Sentence() }},
		{"../modern", 18, func(r Reason) string { return modern.Reason(r).Sentence() }},
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
				if p.sentence(r) == "" || r.Sentence() != p.sentence(r) {
					t.Errorf("got %q, want %q", r.Sentence(), p.sentence(r))
				}
				if other := seen[r]; other != "" && name != "MessageTooBig" {
					t.Errorf("%q is also %s", r, other)
				}
				seen[r] = name
			})
		}
	}
	if got := Reason("none").Sentence(); got != "" {
		t.Errorf("got %q for a word that is none", got)
	}
}

// What the log says, the README explains.
func TestReadmeHasTheReasons(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "../legacy", "../modern"} {
		for name, r := range reasonsOf(t, dir) {
			if r == Reason(legacy.BadAnswer) {
				continue // of legacy.Dial, which is a client
			}
			if !bytes.Contains(readme, []byte("`"+string(r)+"`")) {
				t.Errorf("it has no `%s`, %s of %s", r, name, dir)
			}
		}
	}
}

// Every sentence is one of a reason.
func TestSentences(t *testing.T) {
	reasons := map[Reason]bool{}
	for _, r := range reasonsOf(t, ".") {
		reasons[r] = true
	}
	for r := range sentences {
		if !reasons[r] {
			t.Errorf("%q is no reason", r)
		}
	}
}

// What an end says to both sides: the code of the Close frame to the backend,
// and whether a client of -76 gets FF 00.
func TestEndings(t *testing.T) {
	golden := []struct {
		reason Reason
		code   uint16
		clean  bool
	}{
		// What the client does.
		{"client-closed", 1000, true}, // FF 00 from -76, FIN between messages from -75
		{"client-gone", 1001, false},  // FIN between messages from -76
		{"client-cut", 1001, false},   // FIN inside a message, reset
		{"client-slow", 1001, false},
		{"client-left", 1001, false},
		{"key3-timeout", 1001, false},
		{"key3-missing", 1001, false},
		{"message-too-big", 1009, true},
		{"skip-too-big", 1002, false},
		{"length-overflow", 1002, false},
		// What the backend does.
		{"text-utf8", 1007, false},
		{"binary-message", 1003, true},
		{"backend-gone", 0, false}, // without a Close there is nobody to answer
		{"backend-slow", 1001, false},
		{"backend-silent", 1001, false},
		// What the gateway does.
		{"idle", 1001, true},
		{"shutting-down", 1001, true},
	}
	for _, want := range golden {
		t.Run(string(want.reason), func(t *testing.T) {
			if _, ok := endings[want.reason]; !ok {
				t.Fatal("got no ending")
			}
			got := endFor(ByGateway, want.reason, nil)
			if got.Reason != want.reason || got.code != want.code || got.clean != want.clean {
				t.Errorf("got %d, clean %v, want %d, %v", got.code, got.clean, want.code, want.clean)
			}
			if got.code != 0 && !modern.Sendable(got.code) {
				t.Errorf("%d must not be sent", got.code)
			}
		})
	}
	if len(endings) != len(golden) {
		t.Errorf("got %d endings, want %d", len(endings), len(golden))
	}
}

func TestEndByError(t *testing.T) {
	frame := func(r legacy.Reason) error { return &legacy.FrameError{Reason: r} }
	protocol := func(r modern.Reason, code uint16) error { return &modern.ProtocolError{Reason: r, Code: code} }
	for _, test := range []struct {
		id     string
		err    error
		by     Side
		reason Reason
		code   uint16
		clean  bool
		says   bool // Err says more than the reason
	}{
		{"client-closed", errClientClose, ByClient, ClientClosed, 1000, true, false},
		{"client-too-big", frame(legacy.MessageTooBig), ByClient, "message-too-big", 1009, true, true},
		{"client-skip", frame(legacy.SkipTooBig), ByClient, "skip-too-big", 1002, false, true},
		{"client-length", frame(legacy.LengthOverflow), ByClient, "length-overflow", 1002, false, true},
		{"close", &closeError{1000, "bye"}, ByBackend, BackendClosed, 1000, true, true},
		{"close-4000", &closeError{4000, ""}, ByBackend, BackendClosed, 4000, true, true},
		{"close-no-code", &closeError{modern.NoStatus, ""}, ByBackend, BackendClosed, 1005, true, true},
		{"backend-too-big", protocol(modern.MessageTooBig, 1009), ByBackend, "message-too-big", 1009, true, true},
		{"backend-mask", protocol(modern.WrongMask, 1002), ByBackend, "mask", 1002, false, true},
		{"backend-opcode", protocol(modern.ReservedOpcode, 1002), ByBackend, "opcode", 1002, false, true},
		{"backend-close-utf8", protocol(modern.CloseReasonUTF8, 1007), ByBackend, "close-reason-utf8", 1007, false, true},
		{"binary", errBinary, ByBackend, BinaryMessage, 1003, true, false},
		{"text", errInvalidUTF8, ByBackend, InvalidUTF8, 1007, false, false},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
				got := endByError(err)
				if got.By != test.by || got.Reason != test.reason || got.code != test.code || got.clean != test.clean {
					t.Errorf("got %+v, want %+v", got, test)
				}
				if (got.Err == err) != test.says {
					t.Errorf("got %v of %v", got.Err, err)
				}
			}
		})
	}
}
