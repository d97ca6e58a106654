//go:build !linux

package sockets

import (
	"syscall"
	"time"
)

// Control leaves the system's own settings.
func Control(time.Duration) func(network, address string, raw syscall.RawConn) error { return nil }

// BoundUnsent leaves them too.
func BoundUnsent() func(network, address string, raw syscall.RawConn) error { return nil }

// setKeepAlive leaves them too.
func setKeepAlive(int, time.Duration) error { return nil }

func liftUnsent(uintptr) int { return 0 }

func bindUnsent(uintptr) int { return 0 }
