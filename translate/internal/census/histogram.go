package census

import (
	"slices"
	"time"
)

// Buckets are the upper bounds of a Histogram, in seconds.
var Buckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Lifetimes are the upper bounds of a Histogram of connections, in seconds: from one that
// a client drops at once to a week.
var Lifetimes = [len(Buckets)]float64{1, 5, 15, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600}

// A Histogram counts durations.
type Histogram struct {
	Counts [len(Buckets) + 1]int64 // by bucket, the last for what is above all
	Sum    float64                 // seconds
}

// Observe counts a duration by the upper bounds of buckets.
func (h *Histogram) Observe(d time.Duration, bounds [len(Buckets)]float64) {
	seconds := d.Seconds()
	bucket, _ := slices.BinarySearch(bounds[:], seconds)
	h.Counts[bucket]++
	h.Sum += seconds
}
