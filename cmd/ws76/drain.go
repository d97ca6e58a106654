package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/cmd/ws76/internal/host"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// drain waits WS76_DRAIN_DELAY, in which balancers notice that the gateway is not ready,
// and closes every connection in its dialect.
func drain(c *config.Config, gateway *translate.Gateway, logger hclog.Logger) error {
	host.NotifyStopping(logger)
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.DrainTimeout))
	defer cancel()
	before := gateway.Stats()
	logger.Info("draining", "connections", total(before.Open), "delay_seconds", time.Duration(c.DrainDelay).Seconds(), "seconds", time.Duration(c.DrainTimeout).Seconds())
	time.Sleep(time.Duration(c.DrainDelay))
	err := gateway.Shutdown(ctx)
	after := gateway.Stats()
	args := append(ends(before, after), "left", after.Cut, "seconds", time.Since(began).Seconds())
	if err != nil {
		logger.Warn("drain timed out", args...)
		return fmt.Errorf("drain: not every connection was closed within WS76_DRAIN_TIMEOUT=%s: %w", time.Duration(c.DrainTimeout), err)
	}
	logger.Info("drained", args...)
	return nil
}

// ends counts, for the log, the connections that have ended between two snapshots by
// how they ended: by a goodbye that the client took, which is FF 00 (-76), the end of
// TCP (-75) or the end of our half of a tunnel; without one that it took (not_told); or without us.
func ends(before, after translate.Stats) []any {
	var all, byThemselves, told int64
	for kind, n := range after.Closed {
		n -= before.Closed[kind]
		if all += n; kind.Reason != translate.ShuttingDown {
			byThemselves += n
		}
	}
	for d, n := range after.Told {
		told += n - before.Told[d]
	}
	closingHandshakes := after.Told[legacy.Hixie76] - before.Told[legacy.Hixie76]
	tcpEnds := after.Told[legacy.Hixie75] - before.Told[legacy.Hixie75]
	args := []any{
		"connections", all,
		"closing_handshakes", closingHandshakes, "tcp_ends", tcpEnds, "half_closes", told - closingHandshakes - tcpEnds,
		"by_themselves", byThemselves,
	}
	if notTold := all - told - byThemselves; notTold > 0 {
		args = append(args, "not_told", notTold)
	}
	return args
}

func total(open map[legacy.Dialect]int64) (n int64) {
	for _, of := range open {
		n += of
	}
	return n
}
