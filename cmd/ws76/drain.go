package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// drain closes every connection in its dialect. Readiness has gone already;
// balancers get WS76_DRAIN_DELAY to notice.
func drain(c *Config, gateway *translate.Gateway, logger hclog.Logger) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.DrainTimeout))
	defer cancel()
	before := gateway.Stats()
	logger.Info("draining", "connections", total(before.Open), "delay_seconds", time.Duration(c.DrainDelay).Seconds(), "seconds", time.Duration(c.DrainTimeout).Seconds())
	time.Sleep(time.Duration(c.DrainDelay))
	err := gateway.Shutdown(ctx)
	after := gateway.Stats()
	args := append(ends(before, after), "left", total(after.Open), "seconds", time.Since(began).Seconds())
	if err != nil {
		logger.Warn("drain timed out", args...)
		return fmt.Errorf("drain: not every connection was closed within WS76_DRAIN_TIMEOUT=%s: %w", time.Duration(c.DrainTimeout), err)
	}
	logger.Info("drained", args...)
	return nil
}

// ends counts, for the log, the connections that have ended between two
// snapshots by how they ended: with FF 00 (-76), with the end of TCP (-75), with
// the end of our half of a tunnel, or without us.
func ends(before, after translate.Stats) []any {
	var closingHandshakes, tcpEnds, halfCloses, byThemselves int64
	for kind, n := range after.Closed {
		n -= before.Closed[kind]
		switch {
		case kind.Reason != translate.ShuttingDown:
			byThemselves += n
		case kind.Dialect == legacy.Hixie76:
			closingHandshakes += n
		case kind.Dialect == legacy.Hixie75:
			tcpEnds += n
		default:
			halfCloses += n
		}
	}
	return []any{
		"connections", closingHandshakes + tcpEnds + halfCloses + byThemselves,
		"closing_handshakes", closingHandshakes, "tcp_ends", tcpEnds, "half_closes", halfCloses, "by_themselves", byThemselves,
	}
}

func total(open map[legacy.Dialect]int64) (n int64) {
	for _, of := range open {
		n += of
	}
	return n
}
