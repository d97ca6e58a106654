package translate

import (
	"encoding/hex"
	"net/http"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/translate/internal/redact"
	"github.com/ws76/ws76/translate/internal/relay"
	"github.com/ws76/ws76/translate/internal/session"
)

// debugHead logs the head of an opening handshake as it was received.
func (g *Gateway) debugHead(r *http.Request) {
	if !g.logger.IsDebug() {
		return
	}
	if head := rawHead(r); head != nil {
		g.logger.Debug("opening handshake received", "client", r.RemoteAddr, "head", hclog.Quote(redact.Head(string(head))))
	}
}

// maxTrace is how many bytes of a read or write are shown.
const maxTrace = 64

// Tap returns what is shown the bytes: the log at the level trace, and the Observer.
func (c *conn) Tap() func(side relay.Side, written bool, data []byte) {
	if c.tap == nil && !c.gw.logger.IsTrace() {
		return nil
	}
	return c.trace
}

// trace shows bytes read from a side or written to it, frames as they come.
func (c *conn) trace(side relay.Side, written bool, data []byte) {
	name, what := session.By(side), "read"
	if written {
		what = "written"
	}
	if c.tap != nil {
		c.tap.Bytes(name, written, data)
	}
	if !c.gw.logger.IsTrace() {
		return
	}
	c.gw.logger.Trace("frames", "dialect", c.Dialect.String(), "client", c.remote,
		"what", what, "side", string(name), "bytes", len(data), "hex", hex.EncodeToString(data[:min(len(data), maxTrace)]))
}
