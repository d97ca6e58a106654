package sockets

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// CanDetach reports whether nothing but package net or Detach has made the connection: what
// somebody else has put around a socket may count on its own Close.
func (c *Conn) CanDetach() bool {
	switch c.Conn.(type) {
	case *net.TCPConn, *net.UnixConn, attached, *patient:
		return true
	}
	return false
}

// Detach takes a socket out of Go's poller, so that neither the runtime nor package net
// holds memory for it: 0.8 KiB. The Conn goes on with fd, a descriptor from Dup, and closes
// the one that it had. Until Attach nothing may wait for it, and deadlines of before are forgotten.
func (c *Conn) Detach(fd uintptr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conn.Close()
	c.Conn, c.raw, c.until = detached{fd: fd}, descriptor(fd), nil
}

// Attach undoes Detach. The descriptor stays the same. If the system has no room for one more
// socket in an epoll set, which is an error, the Conn works all the same, but slowly.
func (c *Conn) Attach() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.Conn.(detached)
	if !ok {
		return nil
	}
	a := attached{os.NewFile(d.fd, "socket")}
	c.Conn = a
	c.raw, _ = a.SyscallConn()
	var err error
	if a.SetDeadline(time.Time{}) != nil { // os.NewFile does not say why
		p := &patient{attached: a}
		c.Conn, c.raw = p, patientRaw{c.raw, p}
		err = os.NewSyscallError("epoll_ctl", syscall.ENOSPC)
	}
	if c.until != nil {
		c.Conn.SetWriteDeadline(c.until.earlier())
	}
	return err
}

// Dup returns a second descriptor for a socket.
func Dup(fd uintptr) (uintptr, error) {
	second, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return 0, os.NewSyscallError("fcntl", errno)
	}
	return second, nil
}

// A detached socket is in no poller of Go's. Its other methods must not be called.
type detached struct {
	net.Conn
	fd uintptr
}

func (d detached) Close() error                   { return syscall.Close(int(d.fd)) }
func (detached) SetReadDeadline(time.Time) error  { return nil }
func (detached) SetWriteDeadline(time.Time) error { return nil }

// A descriptor is the RawConn of a detached socket.
type descriptor uintptr

func (d descriptor) Control(f func(fd uintptr)) error {
	f(uintptr(d))
	return nil
}

func (descriptor) Read(func(uintptr) bool) error  { return errors.ErrUnsupported }
func (descriptor) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

// An attached socket was detached once. Its addresses are not known any more.
type attached struct{ *os.File }

func (attached) LocalAddr() net.Addr  { return nil }
func (attached) RemoteAddr() net.Addr { return nil }

// CloseWrite ends the gateway's half of TCP.
func (a attached) CloseWrite() error {
	raw, err := a.SyscallConn()
	if err != nil {
		return err
	}
	closed := raw.Control(func(fd uintptr) { err = syscall.Shutdown(int(fd), syscall.SHUT_WR) })
	return errors.Join(closed, os.NewSyscallError("shutdown", err))
}

// A patient socket is one that Go's poller has no room for: a wait for it looks again and
// again.
type patient struct {
	attached
	mu          sync.Mutex
	read, write time.Time // deadlines
}

// lookEvery is how often.
const lookEvery = 10 * time.Millisecond

// SetReadDeadline ends a Read of patientRaw.
func (p *patient) SetReadDeadline(t time.Time) error { return p.set(&p.read, t) }

// SetWriteDeadline ends a Write of patientRaw.
func (p *patient) SetWriteDeadline(t time.Time) error { return p.set(&p.write, t) }

func (p *patient) set(deadline *time.Time, t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	*deadline = t
	return nil
}

// patientRaw is the RawConn of a patient socket.
type patientRaw struct {
	syscall.RawConn
	p *patient
}

func (r patientRaw) Read(do func(fd uintptr) bool) error  { return r.wait(do, &r.p.read) }
func (r patientRaw) Write(do func(fd uintptr) bool) error { return r.wait(do, &r.p.write) }

// wait calls do until it returns true, or the deadline comes.
func (r patientRaw) wait(do func(fd uintptr) bool, deadline *time.Time) (err error) {
	for done := false; err == nil && !done; {
		r.p.mu.Lock()
		late := !deadline.IsZero() && !time.Now().Before(*deadline)
		r.p.mu.Unlock()
		if late {
			return os.ErrDeadlineExceeded
		}
		if err = r.Control(func(fd uintptr) { done = do(fd) }); !done {
			time.Sleep(lookEvery)
		}
	}
	return err
}
