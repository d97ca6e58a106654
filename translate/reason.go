package translate

import (
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A Reason is the word for why a handshake was refused or a connection ended:
// one of the constants below, a legacy.Reason or a modern.Reason. Logs, metrics
// and the bodies of refusals have the same word.
type Reason string

// Reasons of refusals, besides those of legacy.HandshakeError and
// modern.DialError.
const (
	BackendRefused     Reason = "backend-refused"
	DialectNotAllowed  Reason = "dialect-not-allowed"
	OriginNotAllowed   Reason = "origin-not-allowed"
	TooManyConnections Reason = "too-many-connections"
	TooManyOfClient    Reason = "too-many-of-client"
	TooManyHandshakes  Reason = "too-many-handshakes"
	ShuttingDown       Reason = "shutting-down"
	HeadTooLarge       Reason = "head-too-large"
	BadRequest         Reason = "bad-request"
	BadExpectation     Reason = "bad-expectation"
	BadTransferCoding  Reason = "bad-transfer-coding"
	BadBody            Reason = "bad-body"
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
	InvalidUTF8   Reason = "text-utf8"
	BinaryMessage Reason = "binary-message"
	Idle          Reason = "idle"
	ClientEnded   Reason = "client-ended"
	BackendEnded  Reason = "backend-ended"
)

var sentences = map[Reason]string{
	BackendRefused:     "the backend answered the opening handshake with another status than 101",
	DialectNotAllowed:  "this gateway is configured not to accept this version of the WebSocket protocol",
	OriginNotAllowed:   "this gateway is configured not to accept connections from this Origin",
	TooManyConnections: "this gateway has as many connections as it is configured to accept",
	TooManyOfClient:    "this client has as many connections as this gateway is configured to accept of one address",
	TooManyHandshakes:  "this second brought as many opening handshakes as this gateway is configured to accept",
	ShuttingDown:       "this gateway is shutting down; connect again",
	HeadTooLarge:       "the head of the request, its target and fields, is longer than this gateway is configured to accept",
	BadRequest:         "this is no HTTP request, or one that must not be read as one: its first line, a field or its Host is malformed or there twice",
	BadExpectation:     "the request expects something else than 100-continue",
	BadTransferCoding:  "the body of the request has another transfer coding than chunked",
	BadBody:            "the body of the request is not as its head announces it",
	ClientLeft:         "the client left before its opening handshake was complete",
	ClientClosed:       "the client closed in the way of its dialect",
	ClientGone:         "the client closed TCP between two messages without a closing handshake, as most browsers with -76 do",
	ClientCut:          "the client's connection broke, or ended inside a message",
	ClientSlow:         "the client did not take what was sent to it in time",
	BackendClosed:      "the backend closed",
	BackendGone:        "the backend's connection ended without a Close frame",
	BackendSlow:        "the backend did not take what was sent to it in time",
	BackendSilent:      "the backend did not answer a Ping in time",
	InvalidUTF8:        "a text message from the backend is not UTF-8",
	BinaryMessage:      "the backend sent a binary message, which -75 and -76 cannot carry",
	ClientEnded:        "the client ended its half of the tunnel",
	BackendEnded:       "the backend ended its half of the tunnel",
	Idle:               "no message passed in either direction for too long",
}

// Sentence says what the reason means.
func (r Reason) Sentence() string {
	if s, ok := sentences[r]; ok {
		return s
	}
	if s := legacy.Reason(r).Sentence(); s != "" {
		return s
	}
	return modern.Reason(r).Sentence()
}
