//go:build !linux

package sockets

import (
	"syscall"
	"time"
)

// Control leaves the system's own settings.
func Control(time.Duration) func(network, address string, raw syscall.RawConn) error { return nil }

// NoControl leaves them too.
func NoControl() func(network, address string, raw syscall.RawConn) error { return nil }

// SetOptions leaves them too.
func SetOptions(int, time.Duration) error { return nil }

func boundUnsent(uintptr) int   { return 0 }
func unboundUnsent(uintptr) int { return 0 }
