package census

import (
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 10 * time.Second, 11 * time.Second} {
		h.Observe(d, Buckets)
	}
	want := Histogram{Sum: 21.002000001}
	want.Counts[0], want.Counts[1], want.Counts[len(Buckets)-1], want.Counts[len(Buckets)] = 2, 1, 1, 1
	if h.Counts != want.Counts || h.Sum < 21.002 || h.Sum > 21.0021 {
		t.Errorf("got %+v, want %+v", h, want)
	}
}
