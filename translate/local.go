package translate

import (
	"net"
	"net/http"
	"strings"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/sockets"
)

// A Local answers at its Path, and below it, in the place of the backend. Its clients have
// the opening handshake, the translation, the limits, the origins, the log and the drain
// of all others: only what is dialled differs.
type Local struct {
	Path     string        // begins with a slash and does not end with one
	Handler  http.Handler  // for plain HTTP
	Backend  modern.Dialer // for opening handshakes; it speaks RFC 6455
	Observer Observer      // of its clients, in the place of Options.Observer; nil = none
}

func (l *Local) answers(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, l.Path)
	return ok && (rest == "" || rest[0] == '/')
}

// newLocal returns the Gateway of Options.Local. It has the core and the options of g, but
// those that are about the backend.
func (g *Gateway) newLocal() *Gateway {
	l := *g
	l.handler = g.options.Local.Handler
	o := &l.options
	o.Backend, o.Observer = o.Local.Backend, o.Local.Observer
	o.Backend.Wrap = func(conn net.Conn) net.Conn { return sockets.New(conn, o.Timeouts.Write) }
	o.PathPrefix, o.BackendHost, o.PreserveHost = "", "", true
	o.BackendDialect, o.Binary, o.BinaryUp, o.KeepAliveText = legacy.RFC6455, BinaryText, false, ""
	l.limits.Nudge = nil
	l.rules = l.newRules()
	l.openings = l.newOpenings()
	return &l
}
