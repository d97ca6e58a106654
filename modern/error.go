package modern

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
)

// Reasons of a ProtocolError: words for the rule of RFC 6455 that a peer broke, the
// same in errors, logs and metrics.
const (
	ReservedBits           = "rsv"
	ReservedOpcode         = "opcode"
	WrongMask              = "mask"
	FragmentedControl      = "fragmented-control"
	ControlTooLong         = "control-too-long"
	UnexpectedContinuation = "unexpected-continuation"
	ExpectedContinuation   = "expected-continuation"
	NonMinimalLength       = "non-minimal-length"
	LengthMSB              = "length-msb"
	MessageTooBig          = "message-too-big"
	CloseOneByte           = "close-1-byte"
	CloseCode              = "close-code"
	CloseReasonUTF8        = "close-reason-utf8"
)

// Reasons of a DialError.
const (
	Unreachable          = "backend-unreachable"
	Exhausted            = "out-of-resources"
	DialTimeout          = "backend-timeout"
	Cancelled            = "dial-cancelled"
	BadResponse          = "backend-bad-answer"
	UnofferedExtension   = "backend-extension"
	UnofferedSubprotocol = "backend-subprotocol"
)

var descriptions = map[string]string{
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
	BadResponse:            "the backend's response is not valid HTTP, is truncated, or is a 101 that does not match the request (RFC 6455 section 4.1)",
	UnofferedExtension:     "the backend selected an extension that was not offered (RFC 6455 section 4.1)",
	UnofferedSubprotocol:   "the backend selected a subprotocol that was not offered (RFC 6455 section 4.1)",
}

// Describe says what a reason of this package means. It is empty for any other
// word.
func Describe(reason string) string { return descriptions[reason] }

// A ProtocolError ends a stream of frames that cannot be read any further.
type ProtocolError struct {
	Code   uint16 // for the Close frame that answers it
	Offset int64  // of the frame at fault, from the first frame on
	reason string
}

// Reason is the word for what is wrong, one of the constants.
func (e *ProtocolError) Reason() string { return e.reason }

// Description says what the reason means.
func (e *ProtocolError) Description() string { return Describe(e.reason) }

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("frame at offset %d: %s (%s)", e.Offset, e.Description(), e.reason)
}

// A DialError is a backend that cannot be connected to, or whose response to the
// opening handshake is not valid HTTP or not a valid 101.
type DialError struct {
	reason string
	cause  error
}

// Reason is the word for what is wrong, one of the constants.
func (e *DialError) Reason() string { return e.reason }

// Description says what the reason means.
func (e *DialError) Description() string { return Describe(e.reason) }

func (e *DialError) Error() string {
	if op := new(net.OpError); errors.As(e.cause, &op) && op.Op == "dial" && op.Addr != nil {
		return fmt.Sprintf("dial backend: %s: %v (%s)", op.Addr, rootCause(op.Err), e.reason)
	}
	s := fmt.Sprintf("dial backend: %s (%s)", e.Description(), e.reason)
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// rootCause drops the name of the system call that failed.
func rootCause(err error) error {
	if call := new(os.SyscallError); errors.As(err, &call) {
		return call.Err
	}
	return err
}

// Unwrap returns the cause, nil if there is none.
func (e *DialError) Unwrap() error { return e.cause }

// Status is the HTTP status with which a gateway responds: 504 for a timeout, 503
// if its own resources are exhausted, else 502.
func (e *DialError) Status() int {
	switch e.reason {
	case DialTimeout:
		return http.StatusGatewayTimeout
	case Exhausted:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// A RefusedError is a backend that responded to the opening handshake with a
// status other than 101. Its Response is whole: the body reads from the
// backend's connection and must be closed.
type RefusedError struct{ Response *http.Response }

func (e *RefusedError) Error() string {
	return "dial backend: refused with " + e.Response.Status
}
