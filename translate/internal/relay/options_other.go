//go:build !linux

package relay

import (
	"syscall"
	"time"
)

// Control leaves the system's own settings.
func Control(time.Duration) func(network, address string, raw syscall.RawConn) error { return nil }

func boundUnsent(uintptr) int   { return 0 }
func unboundUnsent(uintptr) int { return 0 }

// NoControl leaves them too.
func NoControl() func(network, address string, raw syscall.RawConn) error { return nil }

func setOptions(int, time.Duration) error { return nil }
