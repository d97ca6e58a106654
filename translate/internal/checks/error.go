// Package checks finds what is wrong with a request before anybody is asked about it:
// its version, method and framing, its target, Host and Origin.
package checks

import (
	"fmt"
	"net/http"
)

// Reasons of Error, besides those of package legacy.
const (
	HeadTooLarge       = "head-too-large"
	HeadTimeout        = "head-timeout"
	BadRequest         = "bad-request"
	BadKey             = "bad-key"
	BadExpectation     = "bad-expectation"
	BadTransferCoding  = "bad-transfer-coding"
	AmbiguousFraming   = "ambiguous-framing"
	MethodNotSupported = "method-not-supported"
)

var descriptions = map[string]string{
	HeadTooLarge:       "the head of the request, its target and fields, is longer than this gateway is configured to accept",
	HeadTimeout:        "the head of the request did not come whole in the time that this gateway is configured to wait",
	BadRequest:         "this is no HTTP request, or one that must not be read as one: its first line, a field or its Host is malformed or there twice",
	BadKey:             "the Sec-WebSocket-Key is not the base64 of 16 bytes (RFC 6455 section 4.2.1)",
	BadExpectation:     "the request expects something else than 100-continue",
	BadTransferCoding:  "the body of the request has another transfer coding than chunked",
	AmbiguousFraming:   "the request says in two ways where its body ends, which proxies read differently (RFC 9112 section 6.1)",
	MethodNotSupported: "TRACE and CONNECT do not pass this gateway",
}

// Describe says what a reason of this package means. It is empty for any other word.
func Describe(reason string) string { return descriptions[reason] }

// An Error is a request, plain or an opening handshake, that is refused.
type Error struct {
	reason string
	status int
	detail string
}

func (e *Error) Error() string { return fmt.Sprintf("request: %s (%.64q)", e.reason, e.detail) }

// Reason returns the word for what is wrong.
func (e *Error) Reason() string { return e.reason }

// Detail returns what was wrong in this request, for the log.
func (e *Error) Detail() string { return e.detail }

// Status returns the status of the response.
func (e *Error) Status() int { return e.status }

// Header returns the fields of the response: none.
func (*Error) Header() http.Header { return nil }

func badRequest(reason, detail string) error { return &Error{reason, http.StatusBadRequest, detail} }
