//go:build unix

package sockets

import (
	"net"
	"syscall"
)

// Raw is the socket of a connection that is one, else nil.
func Raw(conn net.Conn) syscall.RawConn {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
