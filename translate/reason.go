package translate

import (
	"cmp"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/checks"
)

// A Reason is the word for why a handshake was refused or a connection ended:
// one of the constants below, or of those of package legacy or modern. Logs, metrics
// and the bodies of refusals have the same word.
type Reason string

// Reasons of refusals, besides those of legacy.HandshakeError and
// modern.DialError.
const (
	BackendRefused     Reason = "backend-refused"
	DialectNotAllowed  Reason = "dialect-not-allowed"
	OriginNotAllowed   Reason = "origin-not-allowed"
	TooManyConnections Reason = admission.TooManyConnections
	TooManyOfClient    Reason = admission.TooManyOfClient
	TooManyHandshakes  Reason = admission.TooManyHandshakes
	ShuttingDown       Reason = admission.ShuttingDown
	HeadTooLarge       Reason = checks.HeadTooLarge
	HeadTimeout        Reason = checks.HeadTimeout
	BadRequest         Reason = checks.BadRequest
	BadKey             Reason = checks.BadKey
	BadExpectation     Reason = checks.BadExpectation
	BadTransferCoding  Reason = checks.BadTransferCoding
	BadBody            Reason = "bad-body"
	AmbiguousFraming   Reason = checks.AmbiguousFraming
	MethodNotSupported Reason = checks.MethodNotSupported
	ClientLeft         Reason = "client-left"
)

// Reasons of ends, besides those of legacy.FrameError and modern.ProtocolError.
const (
	ClientClosed  Reason = "client-closed"
	ClientGone    Reason = "client-gone"
	ClientCut     Reason = "client-cut"
	ClientSlow    Reason = "client-slow"
	BackendClosed Reason = "backend-closed"
	BackendGone   Reason = "backend-gone"
	BackendSlow   Reason = "backend-slow"
	BackendSilent Reason = "backend-silent"
	ClientSilent  Reason = "client-silent"
	InvalidUTF8   Reason = "text-utf8"
	BinaryMessage Reason = "binary-message"
	InvalidBase64 Reason = "bad-base64"
	Idle          Reason = "idle"
	ClientEnded   Reason = "client-ended"
	BackendEnded  Reason = "backend-ended"
)

var descriptions = map[Reason]string{
	BackendRefused:    "the backend answered the opening handshake with another status than 101",
	DialectNotAllowed: "this gateway is configured not to accept this version of the WebSocket protocol",
	OriginNotAllowed:  "this gateway is configured not to accept connections from this Origin",
	BadBody:           "the body of the request is not as its head announces it",
	ClientLeft:        "the client left before its opening handshake was complete",
	ClientClosed:      "the client closed in the way of its dialect",
	ClientGone:        "the client closed TCP between two messages without a closing handshake, as most browsers with -76 do",
	ClientCut:         "the client's connection broke, or ended inside a message",
	ClientSlow:        "the client did not take what was sent to it in time",
	BackendClosed:     "the backend closed",
	BackendGone:       "the backend's connection ended without a closing handshake",
	BackendSlow:       "the backend did not take what was sent to it in time",
	BackendSilent:     "the backend did not answer a Ping in time",
	ClientSilent:      "the client did not answer a Ping in time",
	InvalidUTF8:       "a text message of RFC 6455 is not UTF-8",
	BinaryMessage:     "a binary message came, which -75 and -76 cannot carry",
	InvalidBase64:     "a message that was to be base64 is not (WS76_BINARY_UP)",
	ClientEnded:       "the client ended its half of the tunnel, and nobody had sent a Close frame",
	BackendEnded:      "the backend ended its half of the tunnel, and nobody had sent a Close frame",
	Idle:              "no message passed in either direction for too long",
}

// Description says what the reason means. It is empty for a word that is no reason.
func (r Reason) Description() string {
	return cmp.Or(descriptions[r], legacy.Describe(string(r)), modern.Describe(string(r)), checks.Describe(string(r)), admission.Describe(string(r)))
}
