package legacy

import (
	"fmt"
	"net/http"
)

// Reasons of a HandshakeError: words for what was wrong, the same in errors,
// logs and metrics.
const (
	MethodNotGet       = "method-not-get"
	HTTPVersion        = "http-version"
	HostMissing        = "host-missing"
	FoldedHead         = "folded-head"
	UpgradeMissing     = "upgrade-missing"
	VersionMissing     = "version-missing"
	VersionUnsupported = "version-unsupported"
	DraftUnsupported   = "draft-unsupported"
	KeyMissing         = "key-missing"
	KeyRepeated        = "key-repeated"
	KeyTooLong         = "key-too-long"
	NoDigits           = "no-digits"
	NoSpaces           = "no-spaces"
	NotMultiple        = "not-multiple"
	KeyOverflow        = "overflow"
	BodyNotAllowed     = "body-not-allowed"
	BadOrigin          = "bad-origin"
	BadTarget          = "bad-target"
	BadProtocol        = "bad-subprotocol"
	ProtocolMismatch   = "subprotocol-mismatch"
	Key3Timeout        = "key3-timeout"
	Key3Missing        = "key3-missing"
	ForeignOrigin      = "foreign-origin"
	NotLegacy          = "not-legacy"
	BadResponse        = "bad-answer"
)

// Reasons of a FrameError.
const (
	MessageTooBig  = "message-too-big"
	SkipTooBig     = "skip-too-big"
	LengthOverflow = "length-overflow"
)

var descriptions = map[string]string{
	MethodNotGet:       "a WebSocket opening handshake is a GET request",
	HTTPVersion:        "a WebSocket opening handshake is an HTTP/1.1 request",
	HostMissing:        "the request has no Host field",
	FoldedHead:         "a field of the request is folded over two lines, which some proxies read as two fields (RFC 9112 section 5.2)",
	UpgradeMissing:     "the request has WebSocket keys but not both Upgrade: WebSocket and Connection: Upgrade; a proxy on the way probably removed them",
	VersionMissing:     "the request has a Sec-WebSocket-Key but no Sec-WebSocket-Version",
	VersionUnsupported: "this Sec-WebSocket-Version is not supported; 13, 8 and 7 are, and the drafts -76 and -75",
	DraftUnsupported:   "this Sec-WebSocket-Draft is one of hybi-01 to -03, whose frames no browser shipped; use -76 or RFC 6455",
	KeyMissing:         "a key of the opening handshake is missing",
	KeyRepeated:        "a key of the opening handshake occurs more than once",
	KeyTooLong:         "a key is longer than 256 bytes; a client makes at most 34",
	NoDigits:           "a key has no digit",
	NoSpaces:           "a key has no space, which a -76 client never makes",
	NotMultiple:        "the number in a key is not a multiple of its spaces; a proxy on the way probably collapsed runs of spaces",
	KeyOverflow:        "the number in a key is larger than 4294967295",
	BodyNotAllowed:     "an opening handshake has no body; -76 may declare its 8 bytes as Content-Length: 8",
	BadOrigin:          "the Origin is longer than 4096 bytes or holds a control character",
	BadTarget:          "the request target is not a path, or its host is none",
	BadProtocol:        "the subprotocol is not a list of tokens and cannot be offered to an RFC 6455 backend",
	ProtocolMismatch:   "the client asked for a subprotocol that the backend did not select",
	Key3Timeout:        "the 8 bytes of key3 did not follow the head in time; a proxy on the way probably holds them back",
	Key3Missing:        "the connection ended before the 8 bytes of key3",
	ForeignOrigin:      "the page is on another host, and the server does not accept its Origin",
	NotLegacy:          "the request is not an opening handshake of -75 or -76",
	BadResponse:        "the answer to the opening handshake is not one that a browser accepts",
	MessageTooBig:      "a message is larger than the limit",
	SkipTooBig:         "frames of a reserved type are larger than the limit",
	LengthOverflow:     "a frame length does not fit 63 bits",
}

// Describe says what a reason of this package means and, where it helps, what to
// change. It is empty for any other word.
func Describe(reason string) string { return descriptions[reason] }

// A HandshakeError is an opening handshake that cannot be completed.
type HandshakeError struct {
	reason, detail string
	cause          error
}

func refuse(reason, detail string) error { return &HandshakeError{reason: reason, detail: detail} }

// Reason is the word for what is wrong, one of the constants.
func (e *HandshakeError) Reason() string { return e.reason }

// Description says what the reason means.
func (e *HandshakeError) Description() string { return Describe(e.reason) }

// Detail is the part of the request that is wrong. The peer may have sent it.
func (e *HandshakeError) Detail() string { return e.detail }

func (e *HandshakeError) Error() string {
	s := fmt.Sprintf("opening handshake: %s (%s", e.Description(), e.reason)
	if e.detail != "" {
		s += fmt.Sprintf(", %.64q", e.detail)
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s + ")"
}

// Unwrap returns the cause, nil if there is none.
func (e *HandshakeError) Unwrap() error { return e.cause }

// Status is the HTTP status of a refusal.
func (e *HandshakeError) Status() int {
	switch e.reason {
	case MethodNotGet:
		return http.StatusMethodNotAllowed
	case VersionUnsupported:
		return http.StatusUpgradeRequired
	case ForeignOrigin:
		return http.StatusForbidden
	case BadResponse: // it is the server's fault
		return http.StatusBadGateway
	}
	return http.StatusBadRequest
}

// Header returns the fields that a refusal with this status must have: Allow with
// 405, Upgrade and the supported versions with 426.
func (e *HandshakeError) Header() http.Header {
	switch e.reason {
	case MethodNotGet:
		return http.Header{"Allow": {"GET"}}
	case VersionUnsupported:
		return http.Header{"Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13, 8, 7"}}
	}
	return nil
}

// A FrameError ends a stream of frames that cannot be read any further.
type FrameError struct {
	Offset int64 // of the first byte that was too much, from the first frame on
	reason string
}

// Reason is the word for what is wrong, one of the constants.
func (e *FrameError) Reason() string { return e.reason }

// Description says what the reason means.
func (e *FrameError) Description() string { return Describe(e.reason) }

func (e *FrameError) Error() string {
	return fmt.Sprintf("frame at offset %d: %s (%s)", e.Offset, e.Description(), e.reason)
}
