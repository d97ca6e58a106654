package translate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// plain proxies a request that is no opening handshake. Its target goes on byte
// for byte, or the request is refused.
func (g *Gateway) plain(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 { // the preface of HTTP/2 would reach the backend as a request
		g.refuse(w, r, legacy.HTTP, refusal{reason: Reason(legacy.HTTPVersion), status: http.StatusHTTPVersionNotSupported, plain: true})
		return
	}
	if err := g.checkPlain(r); err != nil {
		ref := handshakeRefusal(err)
		ref.plain = true
		g.refuse(w, r, legacy.HTTP, ref)
		return
	}
	a := &answer{ResponseWriter: w, gw: g, r: r, last: twoFramings(r)}
	defer a.due() // for what net/http writes when this has returned
	if n, limited := maxForwards(r); limited && n == 0 {
		answerHere(a, r)
		return
	}
	g.count(func(s *Stats) { s.Requests++ })
	r = withoutUpgrade(r)
	r, a.body = withBody(r)
	g.proxy.ServeHTTP(a, r)
}

// withoutUpgrade is the request without Upgrade, whatever it says: ReverseProxy
// would look into it first.
func withoutUpgrade(r *http.Request) *http.Request {
	if _, asks := r.Header["Upgrade"]; !asks {
		return r
	}
	r = r.WithContext(r.Context())
	r.Header = maps.Clone(r.Header)
	delete(r.Header, "Upgrade")
	return r
}

// A body is that of a plain request on its way to the backend.
type body struct {
	io.ReadCloser
	trailer    http.Header // has its values at the end
	whole, bad atomic.Bool // read to its end, or not as its head says
}

// withBody is the request with its body watched, if it has one. net/http wants
// its own request left as it is.
func withBody(r *http.Request) (*http.Request, *body) {
	if r.ContentLength == 0 {
		return r, nil
	}
	b := &body{ReadCloser: r.Body, trailer: r.Trailer}
	keepTrailers(b.trailer)
	r = r.WithContext(r.Context())
	r.Body = b
	return r, b
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		keepTrailers(b.trailer)
		b.whole.Store(true)
	default:
		b.bad.Store(true)
	}
	return n, err
}

// twoFramings reports whether a request has both Content-Length and a
// Transfer-Encoding, or has one in HTTP/1.0, or may have had: net/http drops
// what it does not go by. A proxy before us may have gone by that, so what
// follows is nobody's request (RFC 9112 section 6.1).
func twoFramings(r *http.Request) bool {
	dropped := "\ntransfer-encoding:"
	if len(r.TransferEncoding) > 0 {
		dropped = "\ncontent-length:"
	} else if r.ProtoAtLeast(1, 1) {
		return false
	}
	head := rawHead(r)
	return head == nil || bytes.Contains(bytes.ToLower(head), []byte(dropped))
}

// newProxy is the reverse proxy for everything that is no opening handshake.
// It upgrades to nothing: a 101 is only ever the answer to a handshake that
// this package has checked.
func (g *Gateway) newProxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, _ = g.backendURL(p.In) // checked
			p.Out.Host = g.backendHost(p.In)
			p.Out.Trailer = p.In.Trailer                 // not a copy: the values come later
			p.Out.Close = p.In.Method == http.MethodHead // some backends send a body all the same
			if !p.In.ProtoAtLeast(1, 1) {
				delete(p.Out.Header, "Expect") // nobody waits (RFC 9110 section 10.1.1)
			}
			if n, limited := maxForwards(p.In); limited {
				p.Out.Header.Set("Max-Forwards", strconv.FormatUint(n-1, 10))
			}
			copyForwarded(p.Out.Header, p.In.Header)
			g.setForwarded(p.Out.Header, p.In)
		},
		Transport:      askedOnly{g.transport},
		FlushInterval:  -1, // a status line does not wait for the body
		ModifyResponse: checkAnswer,
		ErrorHandler:   g.notProxied,
		ErrorLog:       g.logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}
}

// copyForwarded puts back what ReverseProxy removed: setForwarded decides who
// is to be believed.
func copyForwarded(out, in http.Header) {
	for name, values := range in {
		if ofForwarding(name) {
			out[name] = values
		}
	}
}

// checkAnswer refuses an answer that is none to a plain request. ReverseProxy
// would refuse a 101 as well, but leave the connection open, on which the
// backend now speaks something else.
func checkAnswer(resp *http.Response) error {
	if resp.StatusCode < 200 {
		return fmt.Errorf("the backend answered %03d to a request that asked for no upgrade", resp.StatusCode)
	}
	keepAnswerTrailers(resp)
	return nil
}

// notProxied answers a plain request that the backend did not.
func (g *Gateway) notProxied(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client left; there is nobody to answer
	}
	failed := &modern.DialError{Reason: modern.BadAnswer}
	errors.As(err, &failed) // there was no connection
	ref := refusal{reason: Reason(failed.Reason), status: failed.Status()}
	if a, ok := w.(*answer); ok && a.body != nil && a.body.bad.Load() {
		ref = refusal{reason: BadBody, status: http.StatusBadRequest}
	}
	g.count(func(s *Stats) { s.refused(legacy.HTTP, ref.reason) })
	g.logger.Warn("request not proxied", "client", r.RemoteAddr, "path", hclog.Quote(r.URL.Path), "status", ref.status, "reason", string(ref.reason), "error", err)
	http.Error(w, ref.text(), ref.status)
}
