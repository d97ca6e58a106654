// Package host deals with the runtime and the operating system: memory, signals and
// descriptors.
package host

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

// Only handshakes make garbage, much of it in a burst, and then none for as long as the
// connections last. So the collector may be lazy while there are handshakes, and runs
// once when there have been none for a while: an idle gateway then holds what its
// connections need. With handshakes that are always followed by a pause it would run each
// time, so it does not run twice within collectPause.
const (
	lazyGC       = 200
	quiet        = time.Second
	collectPause = time.Minute
)

// TuneGC makes the collector lazy unless the operator has said how it works.
func TuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(lazyGC)
	}
}

// CollectWhenQuiet calls collect when handshakes, a counter, has changed and then stood
// still, until ctx ends.
func CollectWhenQuiet(ctx context.Context, handshakes func() int64, collect func()) {
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	var collected, before int64
	last := time.Now().Add(-collectPause)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := handshakes()
		if now == before && now != collected && time.Since(last) >= collectPause {
			collect()
			collected, last = now, time.Now()
		}
		before = now
	}
}
