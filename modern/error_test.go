package modern_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ws76/ws76/modern"
)

// reason is the word of an error of this package, empty for any other.
func reason(err error) string {
	var protocol *modern.ProtocolError
	var dial *modern.DialError
	switch {
	case errors.As(err, &protocol):
		return protocol.Reason()
	case errors.As(err, &dial):
		return dial.Reason()
	}
	return ""
}

// produce has for every Reason something that brings it about.
var produce = map[string]func(*testing.T) error{
	modern.ReservedBits:           scanning("rsv1-without-extension"),
	modern.ReservedOpcode:         scanning("opcode-3"),
	modern.WrongMask:              scanning("mask-missing"),
	modern.FragmentedControl:      scanning("ping-fragmented"),
	modern.ControlTooLong:         scanning("ping-126"),
	modern.UnexpectedContinuation: scanning("continuation-first"),
	modern.ExpectedContinuation:   scanning("new-text-inside-message"),
	modern.NonMinimalLength:       scanning("non-minimal-length-strict"),
	modern.LengthMSB:              scanning("length-msb"),
	modern.MessageTooBig:          scanning("limit-by-header"),
	modern.CloseOneByte:           scanning("close-1-byte"),
	modern.CloseCode:              scanning("close-999"),
	modern.CloseReasonUTF8:        scanning("close-bad-utf8-reason"),
	modern.BadResponse:            answered("accept-wrong"),
	modern.UnofferedExtension:     answered("extension"),
	modern.UnofferedSubprotocol:   answered("subprotocol"),
	modern.Unreachable: func(t *testing.T) error {
		return dial(t.Context(), gone(t))
	},
	modern.Exhausted: func(t *testing.T) error {
		return dialWithoutDescriptors(t, gone(t))
	},
	modern.DialTimeout: func(t *testing.T) error {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		return dial(ctx, gone(t))
	},
	modern.Cancelled: func(t *testing.T) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return dial(ctx, gone(t))
	},
}

// scanning has the error of a vector.
func scanning(id string) func(*testing.T) error {
	return func(t *testing.T) error {
		for _, v := range loadFrames(t) {
			if v.ID != id {
				continue
			}
			rest, _ := v.bytes(t)
			for s := v.scanner(); ; {
				tok, n, err := s.Scan(rest)
				if rest = rest[n:]; err != nil || tok.Kind == modern.More {
					return err
				}
			}
		}
		return errors.New("no such vector")
	}
}

// answered has the error of one of badAnswers.
func answered(id string) func(*testing.T) error {
	return func(t *testing.T) error {
		return dial(t.Context(), serve(t, answering(badAnswers[id].answer)))
	}
}

func dial(ctx context.Context, address string) error {
	_, err := (&modern.Dialer{Address: address}).Dial(ctx, request)
	return err
}

// Every word is known, distinct, explained, and can come up.
func TestReasons(t *testing.T) {
	words := reasons(t)
	if len(words) < 18 {
		t.Fatalf("%d reasons, want at least 18", len(words))
	}
	seen := map[string]bool{}
	for _, r := range words {
		if seen[r] {
			t.Errorf("%s: two constants", r)
		}
		seen[r] = true
		sentence := modern.Describe(r)
		if sentence == "" || strings.HasSuffix(sentence, ".") || strings.ToUpper(sentence[:1]) == sentence[:1] {
			t.Errorf("%s: sentence %q", r, sentence)
		}
		if produce[r] == nil {
			t.Errorf("%s: never produced", r)
			continue
		}
		if err := produce[r](t); reason(err) != r {
			t.Errorf("%s: got %v", r, err)
		}
	}
	if len(produce) != len(seen) {
		t.Errorf("%d reasons produced, want %d", len(produce), len(seen))
	}
	if got := modern.Describe("other"); got != "" {
		t.Errorf("a word of nobody's: %q", got)
	}
}

// reasons reads the constants out of the source, where none can be forgotten.
func reasons(t *testing.T) (words []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				return false // a table
			}
			word, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, word)
		}
		return false
	})
	return words
}

func TestErrorText(t *testing.T) {
	cause := errors.New("reset")
	for _, test := range []struct {
		err  error
		want string
	}{
		{
			modern.NewProtocolError(modern.MessageTooBig, modern.TooBig, 65537),
			"frame at offset 65537: a message is larger than the limit (message-too-big)",
		},
		{modern.NewDialError(modern.Unreachable, nil), "dial backend: the backend cannot be connected to (backend-unreachable)"},
		{
			modern.NewDialError(modern.Unreachable, cause),
			"dial backend: the backend cannot be connected to (backend-unreachable): reset",
		},
		{
			modern.NewDialError(modern.Unreachable, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}),
			"dial backend: 127.0.0.1:1: connection refused (backend-unreachable)",
		},
		{&modern.RefusedError{Response: &http.Response{Status: "404 Not Found"}}, "dial backend: refused with 404 Not Found"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	if err := modern.NewDialError("", cause); !errors.Is(err, cause) {
		t.Errorf("%v does not unwrap", err)
	}
}

func TestDialErrorStatus(t *testing.T) {
	for _, r := range reasons(t) {
		want := http.StatusBadGateway
		switch r {
		case modern.DialTimeout:
			want = http.StatusGatewayTimeout
		case modern.Exhausted:
			want = http.StatusServiceUnavailable
		}
		if got := modern.NewDialError(r, nil).Status(); got != want {
			t.Errorf("%s: got %d, want %d", r, got, want)
		}
	}
}
