package plain

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync/atomic"

	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/forward"
)

// Errors that Refuse is called with, besides those of Dial and of net/http.
var (
	ErrBadBody     = errors.New("the body of the request is not as its head announces it")
	ErrBackendSlow = errors.New("the backend did not take the request in time")
)

// An exchange is a request and its response.
type exchange struct {
	proxy  *Proxy
	client *client
	target Target
	r      *http.Request // a copy of net/http's own
	body   *body         // of the request; nil if it has none
}

func (x *exchange) serve(w http.ResponseWriter) {
	x.prepare()
	defer x.finish()
	proxy := x.proxy.config.Proxy
	proxy.Rewrite = x.rewrite
	proxy.Transport = x.client.begin(x.r)
	proxy.FlushInterval = -1 // a status line does not wait for the body
	proxy.ModifyResponse = x.checkResponse
	proxy.ErrorHandler = x.fail
	proxy.ServeHTTP(&responseWriter{w, x}, x.r)
}

// finish cleans up after the response, or its failure.
func (x *exchange) finish() {
	x.client.end()
	if x.body != nil && !x.body.whole.Load() && x.proxy.config.Rest != nil {
		x.proxy.config.Rest(x.r)
	}
}

// rewrite makes the request for the backend.
func (x *exchange) rewrite(p *httputil.ProxyRequest) {
	rules, in, out := x.proxy.config.Rules, p.In, p.Out
	out.URL = &x.target.URL
	out.Host = rules.Host(in)
	out.Trailer = nil
	// Some backends send a body all the same, perhaps later.
	out.Close = in.Method == http.MethodHead && !x.client.loggedIn()
	if !in.ProtoAtLeast(1, 1) {
		delete(out.Header, "Expect") // nobody waits (RFC 9110 section 10.1.1)
	}
	forward.CopyForwarding(out.Header, in.Header) // ReverseProxy has removed some
	rules.Set(out.Header, in)
}

// checkResponse rejects 1xx responses, including 101, which no plain request asked
// for. ReverseProxy would reject a 101 too, but leave the connection open, on which
// the backend now speaks another protocol.
func (x *exchange) checkResponse(resp *http.Response) error {
	if resp.StatusCode < 200 {
		return fmt.Errorf("the backend answered %03d to a request that asked for no upgrade", resp.StatusCode)
	}
	if err := modern.RepairNames(resp.Header); err != nil {
		return err
	}
	if logsIn(resp.Request.Header["Authorization"]) || resp.StatusCode == http.StatusUnauthorized && logsIn(resp.Header["Www-Authenticate"]) {
		x.client.logIn()
	}
	filterTrailers(resp)
	return nil
}

// logsIn reports whether a field has a scheme that authenticates a connection instead of a
// request (RFC 4559 section 6).
func logsIn(values []string) bool {
	for _, v := range values {
		for element := range strings.SplitSeq(strings.ToLower(v), ",") {
			scheme, _, _ := strings.Cut(strings.TrimSpace(element), " ")
			if scheme == "ntlm" || scheme == "negotiate" {
				return true
			}
		}
	}
	return false
}

// fail responds to a request for which the backend has no response. A client that left
// gets none, and one whose request may have been lost on a kept connection neither: its
// own rules for sending it again hold, as without the gateway.
func (x *exchange) fail(w http.ResponseWriter, _ *http.Request, err error) {
	undialled := errors.As(err, new(*modern.DialError))
	switch {
	case x.r.Context().Err() != nil:
		x.proxy.config.Log(x.r, Left)
		panic(http.ErrAbortHandler)
	case x.body != nil && x.body.bad.Load():
		err = fmt.Errorf("%w: %w", ErrBadBody, err)
	case errors.Is(err, os.ErrDeadlineExceeded) && !undialled:
		err = fmt.Errorf("%w: %w", ErrBackendSlow, err)
	case errors.Is(err, errEnded), !undialled && x.client.ended():
		panic(http.ErrAbortHandler)
	}
	x.proxy.config.Refuse(w, x.r, err)
}

// prepare removes Upgrade, at which ReverseProxy would look first, and watches the body, if
// there is one.
func (x *exchange) prepare() {
	if _, asks := x.r.Header["Upgrade"]; asks {
		x.r.Header = maps.Clone(x.r.Header)
		delete(x.r.Header, "Upgrade")
	}
	if x.r.ContentLength != 0 {
		x.body = &body{ReadCloser: x.r.Body}
		x.r.Body = x.body
	}
}

// A body is that of a request on its way to the backend.
type body struct {
	io.ReadCloser
	whole, bad atomic.Bool // read to its end, or not as its head says
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.whole.Store(true)
	default:
		b.bad.Store(true)
	}
	return n, err
}

// A trailed is the body of a response, whose trailer is complete at its end.
type trailed struct {
	io.ReadCloser
	resp *http.Response
}

// filterTrailers filters the trailer that is announced, and the one that comes.
func filterTrailers(resp *http.Response) {
	forward.FilterTrailer(resp.Trailer)
	resp.Body = trailed{resp.Body, resp}
}

func (t trailed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		forward.FilterTrailer(t.resp.Trailer)
	}
	return n, err
}
