package checks

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/forward"
)

// Plain refuses a request that is no opening handshake for its version, method, framing or
// Host. A backend that agreed to CONNECT would speak another protocol on the connection,
// and a TRACE shows a client's cookies to scripts. The preface of HTTP/2 would reach the
// backend as a request. head is the request's as it was received, nil if it is not known.
func Plain(r *http.Request, head []byte) error {
	switch {
	case r.ProtoMajor != 1:
		return &Error{legacy.HTTPVersion, http.StatusHTTPVersionNotSupported, r.Proto}
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return &Error{MethodNotSupported, http.StatusNotImplemented, r.Method}
	case ambiguousFraming(r, head):
		return badRequest(AmbiguousFraming, r.Method)
	}
	return Host(r)
}

// ambiguousFraming reports whether the end of a request can be read in two ways: it
// has both Content-Length and Transfer-Encoding, or Transfer-Encoding in HTTP/1.0.
// net/http drops the field that it ignores; a proxy before us may have gone by it,
// and taken something else for the next request (RFC 9112 section 6.1).
func ambiguousFraming(r *http.Request, head []byte) bool {
	head = bytes.ToLower(head)
	if !bytes.Contains(head, []byte("\ntransfer-encoding:")) {
		return false
	}
	return !r.ProtoAtLeast(1, 1) || bytes.Contains(head, []byte("\ncontent-length:"))
}

// Host refuses a request whose Host must not go on to the backend, to a
// client as its Location, or into X-Forwarded-Host. net/http looks for foreign
// bytes in the field, and not at all at the host of an absolute target, which
// overrules the field.
func Host(r *http.Request) error {
	switch {
	case r.Host == "" || forward.ValidHost(r.Host):
		return nil
	case r.URL.Host != "":
		return BadTarget(r)
	}
	return badRequest(BadRequest, "Host: "+r.Host)
}

// BadTarget refuses the target of a request. Its query is left out, which often holds
// secrets.
func BadTarget(r *http.Request) error {
	target := r.RequestURI
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	return badRequest(legacy.BadTarget, target)
}

// OneOrigin refuses an opening handshake with two origins: the backend may go
// by another one than is checked here.
func OneOrigin(r *http.Request) error {
	for _, name := range []string{"Origin", "Sec-Websocket-Origin"} {
		if values := r.Header[name]; len(values) > 1 {
			return badRequest(BadRequest, fmt.Sprintf("%s is there %d times", name, len(values)))
		}
	}
	return nil
}

// Key refuses an opening handshake whose Sec-WebSocket-Key is not that of 16 bytes.
func Key(r *http.Request) error {
	value := r.Header.Get("Sec-Websocket-Key")
	if key, err := base64.StdEncoding.DecodeString(value); err != nil || len(key) != 16 {
		return badRequest(BadKey, value)
	}
	return nil
}
