package translate

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// notBehind are fields that must not come behind a body, besides those of one
// connection, of a handshake, conditional ones and those about the body: they say
// who asks, where a message goes and what becomes of it (RFC 9110 section 6.5.1).
var notBehind = []string{
	"Age", "Authorization", "Cache-Control", "Cookie", "Date", "Expires", "Host", "Location", "Max-Forwards", "Pragma",
	"Proxy", "Proxy-Authenticate", "Range", "Retry-After", "Set-Cookie", "Vary", "Warning", "Www-Authenticate",
}

// keepTrailers drops what must not come behind a body, of a request or an answer.
// A digest of the body can come nowhere else (RFC 9530 section 2).
func keepTrailers(trailer http.Header) {
	for name := range trailer {
		field := dashed(name)
		if slices.Contains(hopByHop, field) || slices.Contains(notBehind, field) || ofHandshake(field) ||
			strings.HasPrefix(field, "If-") || strings.HasPrefix(field, "Content-") && field != "Content-Digest" {
			delete(trailer, name)
		}
	}
}

// A trailed is the body of an answer, whose trailer is complete at its end.
type trailed struct {
	io.ReadCloser
	resp *http.Response
}

// keepAnswerTrailers is keepTrailers for those that are announced, and for those
// that come.
func keepAnswerTrailers(resp *http.Response) {
	keepTrailers(resp.Trailer)
	resp.Body = trailed{resp.Body, resp}
}

func (t trailed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		keepTrailers(t.resp.Trailer)
	}
	return n, err
}
