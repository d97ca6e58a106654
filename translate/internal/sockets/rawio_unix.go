//go:build unix && (!linux || 386)

package sockets

import "syscall"

// ReadNow reads without waiting: syscall.EAGAIN if there is nothing.
func ReadNow(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

// writeNow writes without waiting: syscall.EAGAIN if there is no room.
func writeNow(fd uintptr, b []byte) (int, error) {
	n, err := syscall.Write(int(fd), b)
	return max(n, 0), err
}
