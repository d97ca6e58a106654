//go:build !linux

package relay

func countPolled(*Poller) int { return 0 }

func holdLoop(_ *loop, do func()) { do() }
