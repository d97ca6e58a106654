package relay

import (
	"os"
	"sync"
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

// A sending is a call of sendRaw. They are used again, because each has a closure.
type sending struct {
	b   []byte
	n   int
	err error
	now func(fd uintptr) bool
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.now = func(fd uintptr) bool {
		s.n, s.err = sendNow(fd, s.b)
		return true
	}
	return s
}}

// sendRaw is sendNow while the socket cannot be closed.
func sendRaw(raw syscall.RawConn, b []byte) (n int, err error) {
	s := sendings.Get().(*sending)
	s.b, s.n = b, 0
	if err = raw.Write(s.now); err == nil {
		err = s.err
	}
	n, s.b = s.n, nil
	sendings.Put(s)
	return n, err
}
