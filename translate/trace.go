package translate

import "encoding/hex"

// maxTrace is how many bytes of a read or write are shown.
const maxTrace = 64

// trace logs bytes read from a side or written to it, frames as they come, if
// the log's level asks for it.
func (b *bridge) trace(what string, side *peer, data []byte) {
	if !b.traced {
		return
	}
	name := ByBackend
	if side == &b.client {
		name = ByClient
	}
	b.gw.logger.Trace("frames", "dialect", b.dialect.String(), "client", b.remote,
		"what", what, "side", string(name), "bytes", len(data), "hex", hex.EncodeToString(data[:min(len(data), maxTrace)]))
}
