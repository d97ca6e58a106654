//go:build unix

package admission

import (
	"net"
	"syscall"
)

// Scarcity returns a function that reports whether a connection's descriptor is beyond
// three quarters of the limit. A new descriptor has the lowest free number, so those below
// it are in use.
func Scarcity() func(net.Conn) bool {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil
	}
	return func(conn net.Conn) bool { return descriptor(conn) >= uint64(limit.Cur)/4*3 }
}

// descriptor returns the number of the descriptor below a connection, 0 if there is none.
func descriptor(conn net.Conn) (number uint64) {
	for {
		if socket, ok := conn.(syscall.Conn); ok {
			raw, err := socket.SyscallConn()
			if err == nil {
				raw.Control(func(fd uintptr) { number = uint64(fd) })
			}
			return number
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return 0
		}
		conn = outer.NetConn()
	}
}
