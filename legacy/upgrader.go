package legacy

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// An Upgrader makes connections of the requests of -75 and -76 clients. The zero
// value accepts pages of the server's own host.
type Upgrader struct {
	// Protocols are the subprotocols that the server speaks, the preferred first.
	Protocols []string
	// CheckOrigin lets a request in. If it is nil, a request passes whose Origin is
	// missing or has the host of the request.
	CheckOrigin func(*http.Request) bool
	// Key3Timeout is how long the 8 bytes behind the head of -76 may take; 0 is 5 s.
	Key3Timeout time.Duration
}

const (
	defaultKey3Timeout = 5 * time.Second
	declaredWait       = time.Second // for a key3 that has a Content-Length, before the 101
	drainTimeout       = time.Second // for what a refused client still sends
	maxDrain           = 64 << 10
)

// Upgrade responds to the opening handshake. For -76 the head of the 101 goes out
// before key3 is read, because a reverse proxy may hold key3 back until it has seen
// the 101. The host and scheme that the client compares come from the request, or
// from X-Forwarded-Host and X-Forwarded-Proto if a proxy has set them.
//
// On an error Upgrade has responded with HTTP, or the client is gone; the handler
// just returns. The error is a *HandshakeError if the request is at fault.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	h, err := u.check(r)
	if refused := new(HandshakeError); errors.As(err, &refused) {
		refuseRequest(w, refused)
		return nil, err
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return nil, err
	}
	timeout := cmp.Or(u.Key3Timeout, defaultKey3Timeout)
	conn.SetDeadline(time.Now().Add(timeout + declaredWait))
	if h.Declared {
		AwaitKey3(conn, rw.Reader, declaredWait)
	}
	f := ResponseFields{Location: requestLocation(r, h.Resource), Protocol: u.choose(h)}
	if err := h.Accept(conn, rw.Reader, f, timeout); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	c := NewConn(conn, rw.Reader, h.Dialect)
	c.protocol = f.Protocol
	return c, nil
}

func (u *Upgrader) check(r *http.Request) (*Handshake, error) {
	d, err := Detect(r)
	if err == nil && !d.Legacy() {
		err = refuse(NotLegacy, d.String())
	}
	if err != nil {
		return nil, err
	}
	h, err := NewHandshake(r, d, nil)
	if err != nil {
		return nil, err
	}
	allowed := u.CheckOrigin
	if allowed == nil {
		allowed = sameHost
	}
	if !allowed(r) {
		return nil, refuse(ForeignOrigin, h.Origin)
	}
	return h, h.CheckProtocol(u.choose(h))
}

// choose selects the subprotocol.
func (u *Upgrader) choose(h *Handshake) string {
	offered := h.Protocols()
	for _, p := range u.Protocols {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}

// sameHost reports whether the page is on the host that it connects to, or there is
// no page.
func sameHost(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	u, err := url.Parse(origin)
	return origin == "" || err == nil && strings.EqualFold(u.Host, publicHost(r))
}

// publicHost is the host as the client knows it.
func publicHost(r *http.Request) string {
	return cmp.Or(nearest(r, "X-Forwarded-Host"), r.Host)
}

func requestLocation(r *http.Request, resource string) string {
	proto := nearest(r, "X-Forwarded-Proto")
	secure := r.TLS != nil || strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
	return Location(secure, publicHost(r), resource)
}

// nearest is the first element of a list field: what the proxy that the client
// connected to has set.
func nearest(r *http.Request, field string) string {
	first, _, _ := strings.Cut(r.Header.Get(field), ",")
	return strings.TrimSpace(first)
}

// refuseRequest responds with HTTP and closes: key3, which no header announces, must
// not be taken for the next request. It reads what the client still sends, because
// closing with bytes unread resets the connection and the response is lost.
func refuseRequest(w http.ResponseWriter, e *HandshakeError) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, e.Error(), e.Status())
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(drainTimeout))
	fields := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	maps.Copy(fields, e.Header())
	body := e.Error() + "\n"
	response := http.Response{
		StatusCode: e.Status(), ProtoMajor: 1, ProtoMinor: 1, Close: true, Header: fields,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if response.Write(conn) == nil && ok {
		half.CloseWrite()
	}
	io.Copy(io.Discard, io.LimitReader(conn, maxDrain))
}
