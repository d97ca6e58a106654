package checks

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/ws76/ws76/legacy"
)

// serverReasons are the reasons for what net/http refuses before it is a request.
var serverReasons = map[int]string{
	http.StatusBadRequest:                  BadRequest,
	http.StatusExpectationFailed:           BadExpectation,
	http.StatusRequestHeaderFieldsTooLarge: HeadTooLarge,
	http.StatusNotImplemented:              BadTransferCoding,
	http.StatusHTTPVersionNotSupported:     legacy.HTTPVersion,
}

// Unparsed returns what is wrong with what net/http cannot read, by its own response and by
// what the client has sent. It is nil for a response to anything else. Without a response, a
// head has not come whole in time.
func Unparsed(response, came []byte) *Error {
	if response == nil {
		return &Error{HeadTimeout, http.StatusRequestTimeout, ""}
	}
	line, _, _ := strings.Cut(string(response), "\r\n")
	var status int
	if _, err := fmt.Sscanf(line, "HTTP/1.1 %d ", &status); err != nil || serverReasons[status] == "" {
		return nil
	}
	detail := strings.TrimPrefix(line, fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)))
	return &Error{serverReasons[status], status, cmp.Or(misdirection(came), strings.TrimPrefix(detail, ": "))}
}

// misdirected maps a first-byte prefix, behind a CR LF, to the likely misconfiguration.
var misdirected = map[string]string{
	"\x16\x03":           "TLS came: this port is for connections without",
	"PROXY ":             "a PROXY header came: the gateway is not configured to expect one",
	"\r\n\x00\r\nQUIT\n": "a PROXY header of version 2 came: the gateway is not configured to expect one",
}

// misdirection returns what came in the place of a request, or "" if that is not known.
func misdirection(came []byte) string {
	for prefix, meaning := range misdirected {
		if bytes.HasPrefix(came, []byte(prefix)) {
			return meaning
		}
	}
	return ""
}
