//go:build unix

package translate

import (
	"net"
	"syscall"
)

// rawConn is the socket of a connection that is one, else nil.
func rawConn(conn net.Conn) syscall.RawConn {
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

// readNow reads without waiting: syscall.EAGAIN if there is nothing.
func readNow(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

// writeNow writes without waiting: syscall.EAGAIN if there is no room.
func writeNow(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
