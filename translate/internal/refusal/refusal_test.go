package refusal

import (
	"slices"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// Subprotocols, as which some clients send tokens, are not logged, nor are queries.
func TestLoggedDetail(t *testing.T) {
	for _, tt := range []struct{ reason, detail, want string }{
		{legacy.BadTarget, "/chat?token=SECRET#frag", "/chat?***(17 bytes)"},
		{legacy.BadProtocol, "SECRET x", "***(8 bytes)"},
		{legacy.ProtocolMismatch, "SECRET", "***(6 bytes)"},
		{legacy.NoDigits, "a b", "a b"},
	} {
		if text, cause := (Refusal{Reason: tt.reason, Detail: tt.detail}).Logged(); cause != nil || text != tt.want {
			t.Errorf("%s %q: %v, %q, want %q", tt.reason, tt.detail, cause, text, tt.want)
		}
	}
}

// Every description is of a reason.
func TestDescriptions(t *testing.T) {
	reasons := []string{BackendRefused, DialectNotAllowed, OriginNotAllowed, BadBody, ClientLeft}
	for r := range descriptions {
		if !slices.Contains(reasons, r) {
			t.Errorf("%q is no reason", r)
		}
	}
}
