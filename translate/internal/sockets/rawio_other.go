//go:build !unix

package sockets

import "syscall"

// ReadNow fails: no socket is bare here.
func ReadNow(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }

func writeNow(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }
