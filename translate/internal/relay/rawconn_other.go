//go:build !unix

package relay

import (
	"net"
	"syscall"
)

// rawConn is nil: every connection is read and written through net.
func rawConn(net.Conn) syscall.RawConn { return nil }
