package translate

import (
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/refusal"
	"github.com/ws76/ws76/translate/internal/session"
)

// A Reason is the word for why a handshake was refused or a connection ended:
// one of the constants below, or of those of package legacy or modern. Logs, metrics
// and the bodies of refusals have the same word.
type Reason string

// An End is how a connection ended.
type End struct {
	By     Side
	Reason Reason
	Err    error // what was read or happened, if the reason does not say it all
}

// A Side is where an end came from.
type Side = session.Side

// The sides of a connection.
const (
	ByClient  = session.ByClient
	ByBackend = session.ByBackend
	ByGateway = session.ByGateway
)

// Reasons of refusals, besides those of legacy.HandshakeError and
// modern.DialError.
const (
	BackendRefused     Reason = refusal.BackendRefused
	DialectNotAllowed  Reason = refusal.DialectNotAllowed
	OriginNotAllowed   Reason = refusal.OriginNotAllowed
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
	BadBody            Reason = refusal.BadBody
	AmbiguousFraming   Reason = checks.AmbiguousFraming
	MethodNotSupported Reason = checks.MethodNotSupported
	ClientLeft         Reason = refusal.ClientLeft
)

// Reasons of ends, besides those of legacy.FrameError and modern.ProtocolError.
const (
	ClientClosed  Reason = session.ClientClosed
	ClientGone    Reason = session.ClientGone
	ClientCut     Reason = session.ClientCut
	ClientSlow    Reason = session.ClientSlow
	ClientSilent  Reason = session.ClientSilent
	ClientEnded   Reason = session.ClientEnded
	BackendClosed Reason = session.BackendClosed
	BackendGone   Reason = session.BackendGone
	BackendSlow   Reason = session.BackendSlow
	BackendSilent Reason = session.BackendSilent
	BackendEnded  Reason = session.BackendEnded
	InvalidUTF8   Reason = session.InvalidUTF8
	BinaryMessage Reason = session.BinaryMessage
	InvalidBase64 Reason = session.InvalidBase64
	Idle          Reason = session.Idle
)

// Description says what the reason means. It is empty for a word that is no reason.
func (r Reason) Description() string {
	return refusal.Describe(string(r))
}
