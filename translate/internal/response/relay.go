package response

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/ws76/ws76/translate/internal/forward"
)

const (
	// minBody is the shortest body for a legacy client: Chromium's -76 shows a status
	// only once 16 bytes have come behind the head.
	minBody = 16
	// maxBody is how much of a backend's body a legacy client gets.
	maxBody = 64 << 10
)

// Relay returns the response that passes on the backend's: its status, reason phrase, all
// end-to-end fields, and the body. A legacy client reads no chunks and shows no empty page:
// it gets at least minBody and at most maxBody bytes, with their length. An empty body is
// nil for it, and the caller's to set.
func Relay(resp *http.Response, legacy bool) *Response {
	r := &Response{Status: resp.StatusCode, Header: forward.EndToEnd(resp.Header), Phrase: phraseOf(resp), Body: resp.Body, Length: resp.ContentLength}
	delete(r.Header, "Content-Length")
	if legacy {
		r.hold()
	}
	return r
}

// hold reads the body.
func (r *Response) hold() {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	r.Body.Close()
	r.Cut = err != nil || len(body) > maxBody
	body = body[:min(len(body), maxBody)]
	switch {
	case r.Cut: // more is announced than comes, so that the client sees it
		r.Length = max(r.Length, int64(len(body))+1)
	case len(body) == 0:
		delete(r.Header, "Content-Type")
		delete(r.Header, "Content-Encoding")
		r.Body = nil
		return
	default:
		body = append(body, bytes.Repeat([]byte(" "), max(0, minBody-len(body)))...)
		r.Length = int64(len(body))
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
}

// phraseOf returns the reason phrase of a response, "" if it holds control characters.
func phraseOf(resp *http.Response) string {
	_, phrase, _ := strings.Cut(resp.Status, " ")
	if strings.ContainsFunc(phrase, unicode.IsControl) {
		return ""
	}
	return phrase
}
