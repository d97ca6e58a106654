//go:build !linux

package relay

func countPolled(*Poller) int { return 0 }

func crowded(p *Poller) *Poller { return p }

func holdLoop(_ *loop, do func()) { do() }
