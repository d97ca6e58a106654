//go:build !linux

package sockets

import (
	"syscall"
	"time"
)

const notSent = 0

// Control leaves the system's own settings.
func Control(time.Duration) func(network, address string, raw syscall.RawConn) error { return nil }

// BoundUnsent leaves them too.
func BoundUnsent() func(network, address string, raw syscall.RawConn) error { return nil }

// SetKeepAlive leaves them too.
func SetKeepAlive(int, time.Duration) error { return nil }

func unsent(int) func(fd uintptr) int { return func(uintptr) int { return 0 } }
