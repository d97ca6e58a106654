package sockets

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// SendNow writes what the socket takes at once; n < len(b) without an error says
// that it takes no more.
func SendNow(fd uintptr, b []byte) (n int, err error) {
	for len(b) > 0 {
		n, err = writeNow(fd, b)
		switch err {
		case syscall.EINTR:
		case nil, syscall.EAGAIN:
			return n, nil
		default:
			return n, os.NewSyscallError("write", err)
		}
	}
	return 0, nil
}

// A sending is a call of send. They are used again, because each has a closure.
type sending struct {
	b    []byte
	n    int
	wait bool
	last time.Time
	err  error
	step func(fd uintptr) (done bool)
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.step = func(fd uintptr) bool {
		for {
			var n int
			n, s.err = SendNow(fd, s.b[s.n:])
			s.n += n
			switch {
			case s.err != nil, s.n == len(s.b), !s.wait:
				return true
			case n == 0:
				return false
			}
			s.last = time.Now()
		}
	}
	return s
}}

// send is SendNow while the socket cannot be closed. If wait is true it goes on as the
// socket takes more, until all is taken or a write deadline comes; last is when it last
// took something and not all.
func send(raw syscall.RawConn, b []byte, wait bool) (n int, last time.Time, err error) {
	s := sendings.Get().(*sending)
	s.b, s.n, s.wait, s.last = b, 0, wait, time.Time{}
	if err = raw.Write(s.step); err == nil {
		err = s.err
	}
	n, last, s.b = s.n, s.last, nil
	sendings.Put(s)
	return n, last, err
}
