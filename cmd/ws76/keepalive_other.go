//go:build !linux

package main

import "syscall"

// keepAlive leaves the system's own settings, which it may or may not hand down
// from a listening socket.
func keepAlive(_, _ string, _ syscall.RawConn) error { return nil }
