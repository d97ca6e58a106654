//go:build !unix

package sockets

import (
	"net"
	"syscall"
)

// Raw is nil: every connection is read and written through net.
func Raw(net.Conn) syscall.RawConn { return nil }
