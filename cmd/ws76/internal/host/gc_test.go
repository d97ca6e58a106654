package host

import (
	"context"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// At most one collection a minute, whatever the handshakes do, and none is forgotten.
func TestCollectWhenQuiet(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // a handshake; 0 = one at the beginning
		want  int           // collections in 10 minutes
	}{
		{"one handshake", 0, 1},
		{"never quiet", 500 * time.Millisecond, 0},
		{"always quiet after it", 3 * time.Second, 10},
		{"rare", 3 * time.Minute, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				began := time.Now()
				handshakes := func() int64 {
					if tt.every == 0 {
						return 1
					}
					return 1 + int64(time.Since(began)/tt.every)
				}
				var collections []time.Time
				CollectWhenQuiet(ctx, handshakes, func() { collections = append(collections, time.Now()) })
				if len(collections) != tt.want {
					t.Errorf("%d collections, want %d", len(collections), tt.want)
				}
				for i := 1; i < len(collections); i++ {
					if d := collections[i].Sub(collections[i-1]); d < collectPause {
						t.Errorf("two collections within %v", d)
					}
				}
			})
		})
	}
}

// GOGC of the operator stays as it is.
func TestOperatorsGOGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for _, tt := range []struct {
		gogc string
		want int
	}{{"", lazyGC}, {"50", 50}} {
		t.Setenv("GOGC", tt.gogc)
		if tt.gogc == "" {
			os.Unsetenv("GOGC")
		}
		debug.SetGCPercent(50) // as the runtime does with GOGC=50
		TuneGC()
		if got := debug.SetGCPercent(50); got != tt.want {
			t.Errorf("GOGC=%s: %d %%, want %d", tt.gogc, got, tt.want)
		}
	}
}
