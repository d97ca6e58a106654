package legacy

import (
	"fmt"
	"net/http"
)

// A Reason is a word for what was wrong, the same in errors, logs and metrics.
type Reason string

// Reasons of a HandshakeError.
const (
	MethodNotGet       Reason = "method-not-get"
	HTTPVersion        Reason = "http-version"
	HostMissing        Reason = "host-missing"
	FoldedHead         Reason = "folded-head"
	UpgradeMissing     Reason = "upgrade-missing"
	VersionMissing     Reason = "version-missing"
	VersionUnsupported Reason = "version-unsupported"
	DraftUnsupported   Reason = "draft-unsupported"
	KeyMissing         Reason = "key-missing"
	KeyRepeated        Reason = "key-repeated"
	KeyTooLong         Reason = "key-too-long"
	NoDigits           Reason = "no-digits"
	NoSpaces           Reason = "no-spaces"
	NotMultiple        Reason = "not-multiple"
	KeyOverflow        Reason = "overflow"
	BodyNotAllowed     Reason = "body-not-allowed"
	BadOrigin          Reason = "bad-origin"
	BadTarget          Reason = "bad-target"
	BadProtocol        Reason = "bad-subprotocol"
	ProtocolMismatch   Reason = "subprotocol-mismatch"
	Key3Timeout        Reason = "key3-timeout"
	Key3Missing        Reason = "key3-missing"
	BadAnswer          Reason = "bad-answer"
)

// Reasons of a FrameError.
const (
	MessageTooBig  Reason = "message-too-big"
	SkipTooBig     Reason = "skip-too-big"
	LengthOverflow Reason = "length-overflow"
)

var sentences = map[Reason]string{
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
	BadAnswer:          "the answer to the opening handshake is not one that a browser accepts",
	MessageTooBig:      "a message is larger than the limit",
	SkipTooBig:         "frames of a reserved type are larger than the limit",
	LengthOverflow:     "a frame length does not fit 63 bits",
}

// Sentence says what the reason means and, where it helps, what to change.
// It is empty for a word that is none of this package's.
func (r Reason) Sentence() string { return sentences[r] }

// A HandshakeError is an opening handshake that cannot be completed.
type HandshakeError struct {
	Reason Reason
	Detail string // what of the request it was; may come from the peer
	Err    error  // the cause, if there is one
}

func refuse(r Reason, detail string) error { return &HandshakeError{Reason: r, Detail: detail} }

func (e *HandshakeError) Error() string {
	s := fmt.Sprintf("opening handshake: %s (%s", e.Reason.Sentence(), e.Reason)
	if e.Detail != "" {
		s += fmt.Sprintf(", %.64q", e.Detail)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + ")"
}

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Status is the HTTP status of a refusal.
func (e *HandshakeError) Status() int {
	switch e.Reason {
	case MethodNotGet:
		return http.StatusMethodNotAllowed
	case VersionUnsupported:
		return http.StatusUpgradeRequired
	}
	return http.StatusBadRequest
}

// Header is what a refusal with this status has to say besides the status:
// Allow with 405, Upgrade and the supported versions with 426.
func (e *HandshakeError) Header() http.Header {
	switch e.Reason {
	case MethodNotGet:
		return http.Header{"Allow": {"GET"}}
	case VersionUnsupported:
		return http.Header{"Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13, 8, 7"}}
	}
	return nil
}

// A FrameError is a stream of frames that cannot be read on.
type FrameError struct {
	Reason Reason
	Offset int64 // of the first byte that was too much, from the first frame on
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("frame at offset %d: %s (%s)", e.Offset, e.Reason.Sentence(), e.Reason)
}
