package refusal

import (
	"cmp"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/session"
)

// The reasons of this package.
const (
	BackendRefused    = "backend-refused"
	DialectNotAllowed = "dialect-not-allowed"
	OriginNotAllowed  = "origin-not-allowed"
	BadBody           = "bad-body"
	ClientLeft        = "client-left"
)

var descriptions = map[string]string{
	BackendRefused:    "the backend answered the opening handshake with another status than 101",
	DialectNotAllowed: "this gateway is configured not to accept this version of the WebSocket protocol",
	OriginNotAllowed:  "this gateway is configured not to accept connections from this Origin",
	BadBody:           "the body of the request is not as its head announces it",
	ClientLeft:        "the client left before its opening handshake was complete",
}

// Describe says what a reason means, of this package or of another. It is empty for any other
// word.
func Describe(reason string) string {
	return cmp.Or(descriptions[reason], legacy.Describe(reason), modern.Describe(reason), session.Describe(reason), checks.Describe(reason), admission.Describe(reason))
}
