package relay

import (
	"testing"
	"time"
)

// polledIs waits until so many sockets are polled.
func polledIs(t testing.TB, p *Poller, want int) {
	for ; countPolled(p) != want; time.Sleep(time.Millisecond) {
	}
}
