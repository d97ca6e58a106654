package modern

import (
	"fmt"
	"net/http"
)

// A Reason is a word for what was wrong, the same in errors, logs and metrics.
type Reason string

// Reasons of a ProtocolError: which rule of RFC 6455 a peer broke.
const (
	ReservedBits           Reason = "rsv"
	ReservedOpcode         Reason = "opcode"
	WrongMask              Reason = "mask"
	FragmentedControl      Reason = "fragmented-control"
	ControlTooLong         Reason = "control-too-long"
	UnexpectedContinuation Reason = "unexpected-continuation"
	ExpectedContinuation   Reason = "expected-continuation"
	NonMinimalLength       Reason = "non-minimal-length"
	LengthMSB              Reason = "length-msb"
	MessageTooBig          Reason = "message-too-big"
	CloseOneByte           Reason = "close-1-byte"
	CloseCode              Reason = "close-code"
	CloseReasonUTF8        Reason = "close-reason-utf8"
)

// Reasons of a DialError.
const (
	Unreachable          Reason = "backend-unreachable"
	Exhausted            Reason = "out-of-resources"
	DialTimeout          Reason = "backend-timeout"
	Cancelled            Reason = "dial-cancelled"
	BadAnswer            Reason = "backend-bad-answer"
	UnofferedExtension   Reason = "backend-extension"
	UnofferedSubprotocol Reason = "backend-subprotocol"
)

var sentences = map[Reason]string{
	ReservedBits:           "a reserved bit is set though no extension was negotiated (RFC 6455 section 5.2)",
	ReservedOpcode:         "a frame has a reserved opcode (RFC 6455 section 5.2)",
	WrongMask:              "a client's frame is not masked, or a server's is (RFC 6455 section 5.1)",
	FragmentedControl:      "a control frame is fragmented (RFC 6455 section 5.5)",
	ControlTooLong:         "a control frame has more than 125 bytes (RFC 6455 section 5.5)",
	UnexpectedContinuation: "a continuation frame continues nothing (RFC 6455 section 5.4)",
	ExpectedContinuation:   "a message begins inside another one (RFC 6455 section 5.4)",
	NonMinimalLength:       "a length is not in its shortest form (RFC 6455 section 5.2)",
	LengthMSB:              "a 64-bit length has its top bit set (RFC 6455 section 5.2)",
	MessageTooBig:          "a message is larger than the limit",
	CloseOneByte:           "a Close frame has a payload of one byte (RFC 6455 section 5.5.1)",
	CloseCode:              "a Close frame has a code that must not be sent (RFC 6455 section 7.4)",
	CloseReasonUTF8:        "the reason in a Close frame is not UTF-8 (RFC 6455 section 5.5.1)",
	Unreachable:            "the backend cannot be connected to",
	Exhausted:              "this machine has no file descriptor or no port left for a connection to the backend",
	DialTimeout:            "the backend did not complete its opening handshake in time",
	Cancelled:              "the dialling was given up, most likely because the client left",
	BadAnswer:              "the backend's answer is none of HTTP, breaks off, or is a 101 that does not fit the request (RFC 6455 section 4.1)",
	UnofferedExtension:     "the backend selected an extension that was not offered (RFC 6455 section 4.1)",
	UnofferedSubprotocol:   "the backend selected a subprotocol that was not offered (RFC 6455 section 4.1)",
}

// Sentence says what the reason means. It is empty for a word that is none of
// this package's.
func (r Reason) Sentence() string { return sentences[r] }

// A ProtocolError is a stream of frames that cannot be read on.
type ProtocolError struct {
	Reason Reason
	Code   uint16 // for the Close frame that answers it
	Offset int64  // of the frame at fault, from the first frame on
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("frame at offset %d: %s (%s)", e.Offset, e.Reason.Sentence(), e.Reason)
}

// A DialError is a backend that cannot be connected to, or did not answer the
// opening handshake with HTTP, or with a 101 that is none.
type DialError struct {
	Reason Reason
	Err    error // the cause, if there is one
}

func (e *DialError) Error() string {
	s := fmt.Sprintf("dial backend: %s (%s)", e.Reason.Sentence(), e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Status is the HTTP status that a gateway answers with: 504 for a timeout, 503
// for want of its own resources, 502 for the rest.
func (e *DialError) Status() int {
	switch e.Reason {
	case DialTimeout:
		return http.StatusGatewayTimeout
	case Exhausted:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// A RefusedError is a backend that answered the opening handshake with a
// status other than 101. Its Response is whole: the body reads from the
// backend's connection and must be closed.
type RefusedError struct{ Response *http.Response }

func (e *RefusedError) Error() string {
	return "dial backend: refused with " + e.Response.Status
}
