package relay

import (
	"os"
	"syscall"
)

// sendNow writes what the socket takes at once; n < len(b) without an error says
// that it takes no more.
func sendNow(fd uintptr, b []byte) (n int, err error) {
	for n < len(b) {
		m, err := writeNow(fd, b[n:])
		n += m
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, os.NewSyscallError("write", err)
		}
	}
	return n, nil
}

// sendRaw is sendNow while the socket cannot be closed.
func sendRaw(raw syscall.RawConn, b []byte) (n int, err error) {
	closed := raw.Write(func(fd uintptr) bool {
		n, err = sendNow(fd, b)
		return true
	})
	if closed != nil {
		return 0, closed
	}
	return n, err
}
