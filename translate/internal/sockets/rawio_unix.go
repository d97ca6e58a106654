//go:build unix && (!linux || 386)

package sockets

import "syscall"

// ReadNow reads without waiting: syscall.EAGAIN if there is nothing.
func ReadNow(fd uintptr, b []byte) (int, error) { return orNone(syscall.Read(int(fd), b)) }

// writeNow writes without waiting: syscall.EAGAIN if there is no room.
func writeNow(fd uintptr, b []byte) (int, error) { return orNone(syscall.Write(int(fd), b)) }

// orNone returns 0 bytes with an error, where package syscall has -1.
func orNone(n int, err error) (int, error) { return max(n, 0), err }
