package translate

import (
	"github.com/ws76/ws76/translate/internal/checks"
	"github.com/ws76/ws76/translate/internal/rawhead"
	"github.com/ws76/ws76/translate/internal/refusal"
)

// netHTTPSlop is what net/http adds to the limit for heads that it is given.
const netHTTPSlop = 4 << 10

// refuseUnparsed responds in the place of net/http, with a reason and to the end, as
// with every refusal. response is nil for a head that has not come whole in time. It
// returns false for a response that net/http does not have for what it cannot read.
func (g *Gateway) refuseUnparsed(conn *rawhead.Conn, response []byte) bool {
	err := checks.Unparsed(response, conn.Begins())
	if err == nil {
		return false
	}
	ref := refusal.Of(err)
	g.count(func(s *Stats) { count(&s.RequestsRefused, Reason(ref.Reason)) })
	g.logger.Info("request refused", "client", conn.RemoteAddr().String(), "status", ref.Status, "reason", ref.Reason, "error", logged(ref))
	ref.Response().WriteLast(conn.NetConn(), conn.NetConn(), g.options.Timeouts.Dial)
	return true
}
