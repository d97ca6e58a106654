package main

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/ws76/ws76/translate"
)

// Only handshakes make garbage, much of it in a burst of them, and then none
// for as long as the connections last. So the collector may be lazy while there
// are handshakes, and is called once when there have been none for a while: what
// an idle gateway holds is then what its connections need.
const (
	lazyGC = 200
	quiet  = time.Second
)

// keepMemorySmall runs until ctx ends.
func keepMemorySmall(ctx context.Context, gateway *translate.Gateway) {
	debug.SetGCPercent(lazyGC)
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	var collected, before int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := gateway.Handshakes()
		if now == before && now != collected {
			debug.FreeOSMemory()
			collected = now
		}
		before = now
	}
}
