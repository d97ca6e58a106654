package translate

import (
	"context"
)

// Shutdown stops accepting, answers handshakes with 503, closes every
// connection in its dialect and returns when all are closed. When the context
// ends first, it closes what is left without a word and returns the context's
// error.
func (g *Gateway) Shutdown(ctx context.Context) error {
	for _, b := range g.beginDraining() {
		b.end(endFor(ByGateway, ShuttingDown, nil))
	}
	defer g.transport.CloseIdleConnections()
	var err error
	select {
	case <-g.empty:
		// What is left is plain HTTP. The server would have dropped a request
		// that came while it shuts down; so it does that last.
		err = g.server.Shutdown(ctx)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		g.server.Close()
		g.cut()
	}
	return err
}

// beginDraining closes the listeners, once, and returns the bridges there are.
func (g *Gateway) beginDraining() (bridges []*bridge) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.Draining() {
		close(g.draining)
		for _, ln := range g.listeners {
			ln.Close()
		}
		g.checkEmpty()
	}
	for b := range g.bridges {
		bridges = append(bridges, b)
	}
	return bridges
}

// cut closes every connection that net/http no longer knows of.
func (g *Gateway) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.answering {
		conn.Close()
	}
	for b := range g.bridges {
		b.cut()
	}
}
