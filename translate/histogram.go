package translate

import (
	"slices"
	"time"
)

// Buckets are the upper bounds of a Histogram, in seconds.
var Buckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// A Histogram counts durations.
type Histogram struct {
	Counts [len(Buckets) + 1]int64 // by bucket, the last for what is above all
	Sum    float64                 // seconds
}

func (h *Histogram) observe(d time.Duration) {
	seconds := d.Seconds()
	bucket, _ := slices.BinarySearch(Buckets[:], seconds)
	h.Counts[bucket]++
	h.Sum += seconds
}
