// Package refusal says what a client gets that is refused, and why: by the gateway, or by
// the backend, whose response is relayed.
package refusal

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/plain"
	"github.com/ws76/ws76/translate/internal/redact"
	"github.com/ws76/ws76/translate/internal/response"
	"github.com/ws76/ws76/translate/internal/session"
)

// A Refusal is a response other than 101 to an opening handshake, or one of the gateway's own
// to a plain request.
type Refusal struct {
	Reason  string
	Status  int
	Header  http.Header
	Relayed *response.Response // the backend's; nil, or one without a body: the reason and its description
	Detail  string             // for the log
	Cause   error              // for the log instead of it, if there is one
	Legal   bool               // the handshake was legal HTTP
	Plain   bool               // it is of a plain request
}

// A rejection is what is wrong with a request, and the response to it.
type rejection interface {
	error
	Reason() string
	Detail() string
	Status() int
	Header() http.Header
}

// Of is the refusal of a request that cannot be served.
func Of(err error) Refusal {
	var e rejection
	if !errors.As(err, &e) {
		return Refusal{Reason: ClientLeft, Status: http.StatusBadRequest, Detail: err.Error()}
	}
	return Refusal{Reason: e.Reason(), Status: e.Status(), Header: e.Header(), Detail: e.Detail()}
}

// NotAllowed is the refusal of a client that the configuration does not want.
func NotAllowed(reason, detail string) Refusal {
	return Refusal{Reason: reason, Status: http.StatusForbidden, Legal: true, Detail: detail}
}

// retryAfter asks for a second of patience.
var retryAfter = http.Header{"Retry-After": {"1"}}

// NotAdmitted is the refusal of a client for whom there is no room.
func NotAdmitted(reason string, client netip.Prefix) Refusal {
	ref := Refusal{Reason: reason, Status: http.StatusServiceUnavailable, Legal: true, Header: retryAfter}
	if reason == admission.TooManyOfClient {
		ref.Status, ref.Detail = http.StatusTooManyRequests, "counted as "+client.String()
	}
	return ref
}

// OfDial is the response to a client whose backend did not answer 101: the backend's own
// answer if there is one.
func OfDial(d legacy.Dialect, err error) Refusal {
	var refused *modern.RefusedError
	var failed *modern.DialError
	switch {
	case errors.As(err, &refused):
		resp := refused.Response
		return Refusal{Reason: BackendRefused, Status: resp.StatusCode, Relayed: response.Relay(resp, d.Legacy()), Legal: true, Detail: resp.Status}
	case errors.As(err, &failed):
		ref := Refusal{Reason: failed.Reason(), Status: failed.Status(), Legal: true, Detail: err.Error(), Cause: failed.Unwrap()}
		if ref.Status == http.StatusServiceUnavailable {
			ref.Header = retryAfter
		}
		return ref
	}
	return Of(err)
}

// OfPlain is the response to a plain request for which the backend has none.
func OfPlain(err error) Refusal {
	var failed *modern.DialError
	switch {
	case errors.Is(err, plain.ErrBadBody):
		return Refusal{Reason: BadBody, Status: http.StatusBadRequest}
	case errors.Is(err, plain.ErrBackendSlow):
		return Refusal{Reason: session.BackendSlow, Status: http.StatusGatewayTimeout}
	case errors.As(err, &failed): // there was no connection
		return Refusal{Reason: failed.Reason(), Status: failed.Status()}
	}
	return Refusal{Reason: modern.BadResponse, Status: http.StatusBadGateway}
}

// Logged is what the log says besides the reason, each thing once: a text, or the cause. Some
// clients send tokens as subprotocols.
func (r Refusal) Logged() (text string, cause error) {
	switch {
	case r.Cause != nil:
		return "", r.Cause
	case r.Reason == legacy.BadProtocol || r.Reason == legacy.ProtocolMismatch:
		return redact.Value(r.Detail), nil
	}
	return redact.Detail(r.Detail), nil
}

// Response is what is sent.
func (r Refusal) Response() *response.Response {
	resp := r.Relayed
	if resp == nil {
		resp = &response.Response{Status: r.Status, Header: r.Header}
	}
	if resp.Body == nil {
		resp.SetText(r.Text())
	}
	return resp
}

// Text says what is wrong in the word of the log and a sentence.
func (r Refusal) Text() string {
	return fmt.Sprintf("%d %s: %s\n%s.\n", r.Status, http.StatusText(r.Status), r.Reason, Describe(r.Reason))
}
