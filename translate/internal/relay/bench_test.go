package relay

import "testing"

// BenchmarkUntapped is what a write pays for the tap that its connection does not have: a
// nil check. A read has the same.
func BenchmarkUntapped(b *testing.B) {
	s, message := &socket{p: &Pair{}}, make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		s.wrote(message)
	}
}
