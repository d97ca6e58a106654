//go:build !unix

package translate

import (
	"net"
	"syscall"
)

// rawConn is nil: every connection is waited for with a small buffer.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readNow(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }

func writeNow(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }
