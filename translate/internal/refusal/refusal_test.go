package translate

import (
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
)

// Subprotocols, as which some clients send tokens, are not logged, nor are queries.
func TestLoggedDetail(t *testing.T) {
	for _, tt := range []struct {
		reason       Reason
		detail, want string
	}{
		{legacy.BadTarget, "/chat?token=SECRET#frag", "/chat?***(17 bytes)"},
		{legacy.BadProtocol, "SECRET x", "***(8 bytes)"},
		{legacy.ProtocolMismatch, "SECRET", "***(6 bytes)"},
		{legacy.NoDigits, "a b", "a b"},
	} {
		if got := (refusal{reason: tt.reason, detail: tt.detail}).logged(); got != hclog.Quote(tt.want) {
			t.Errorf("%s %q: %q, want %q", tt.reason, tt.detail, got, tt.want)
		}
	}
}
