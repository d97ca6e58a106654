package translate

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/codec"
)

// reasonsOf returns every reason of a package, name to word: the constants of its
// error.go or, in translate, those of type Reason.
func reasonsOf(t *testing.T, dir string) map[string]Reason {
	t.Helper()
	pattern := "error.go"
	switch dir {
	case ".":
		pattern = "*.go"
	case "internal/admission":
		pattern = "admission.go"
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
		{".", 19, func(r Reason) string { return descriptions[r] }},
		{"internal/admission", 4, func(r Reason) string { return admission.Describe(string(r)) }},
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
	for _, dir := range []string{".", "internal/admission", "internal/checks", "../legacy", "../modern"} {
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

// Every description is of a reason.
func TestDescriptions(t *testing.T) {
	reasons := map[Reason]bool{}
	for _, r := range reasonsOf(t, ".") {
		reasons[r] = true
	}
	for r := range descriptions {
		if !reasons[r] {
			t.Errorf("%q is no reason", r)
		}
	}
}

// What an end says to both sides: the code of the Close frame to that of RFC 6455,
// and whether one of -76 gets FF 00.
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
		{"client-silent", 1001, false},
		{"bad-base64", 1007, false},
		{"backend-closed", 1000, true}, // FF 00 from -76, FIN between messages from -75; a Close has its own code
		{"backend-gone", 1001, false},  // which a backend of RFC 6455, being gone, does not get
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
	frame := func(src string) error {
		_, _, err := (&legacy.Scanner{MaxMessage: 1, MaxSkip: 1}).Scan([]byte(src), false)
		return err
	}
	protocol := func(src string) error {
		_, _, err := (&modern.Scanner{MaxMessage: 1}).Scan([]byte(src))
		return err
	}
	_, _, longLength := new(legacy.Scanner).Scan([]byte("\x80"+strings.Repeat("\xff", 10)), false)
	for _, test := range []struct {
		id     string
		err    error
		by     Side
		reason Reason
		code   uint16
		clean  bool
		says   bool // Err says more than the reason
	}{
		{"client-closed", codec.ErrClose, ByClient, ClientClosed, 1000, true, false},
		{"client-too-big", frame("\x00ab\xff"), ByClient, "message-too-big", 1009, true, true},
		{"client-skip", frame("\x80\x02"), ByClient, "skip-too-big", 1002, false, true},
		{"client-length", longLength, ByClient, "length-overflow", 1002, false, true},
		{"close", &codec.CloseError{Code: 1000, Reason: "bye"}, ByBackend, BackendClosed, 1000, true, true},
		{"close-4000", &codec.CloseError{Code: 4000, Reason: ""}, ByBackend, BackendClosed, 4000, true, true},
		{"close-no-code", &codec.CloseError{Code: modern.NoStatus, Reason: ""}, ByBackend, BackendClosed, 1005, true, true},
		{"backend-too-big", protocol("\x81\x02ab"), ByBackend, "message-too-big", 1009, true, true},
		{"backend-mask", protocol("\x81\x80aaaa"), ByBackend, "mask", 1002, false, true},
		{"backend-opcode", protocol("\x83\x00"), ByBackend, "opcode", 1002, false, true},
		{"backend-close-utf8", protocol("\x88\x03\x03\xe8\xff"), ByBackend, "close-reason-utf8", 1007, false, true},
		{"binary", codec.ErrBinary, ByBackend, BinaryMessage, 1003, true, false},
		{"backend-ff00", codec.ErrClose, ByBackend, BackendClosed, 1000, true, false},
		{"backend-skip", frame("\x80\x02"), ByBackend, "skip-too-big", 1002, false, true},
		{"client-opcode", protocol("\x83\x00"), ByClient, "opcode", 1002, false, true},
		{"client-binary", codec.ErrBinary, ByClient, BinaryMessage, 1003, true, false},
		{"client-base64", codec.ErrBase64, ByClient, InvalidBase64, 1007, false, false},
		{"client-text", codec.ErrInvalidUTF8, ByClient, InvalidUTF8, 1007, false, false},
		{"text", codec.ErrInvalidUTF8, ByBackend, InvalidUTF8, 1007, false, false},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
				got := endByError(test.by, err)
				if got.By != test.by || got.Reason != test.reason || got.code != test.code || got.clean != test.clean {
					t.Errorf("got %+v, want %+v", got, test)
				}
				if errors.Is(got.Err, test.err) != test.says {
					t.Errorf("got %v of %v", got.Err, err)
				}
			}
		})
	}
}
