package sockets

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// Detach takes a socket out of Go's poller, so that neither the runtime nor package net
// holds memory for it: 1.7 KiB. The Conn goes on with fd, a descriptor from Dup, and closes
// the one that it had. Until Attach nothing may wait for it, and deadlines are forgotten.
func (c *Conn) Detach(fd uintptr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conn.Close()
	c.Conn, c.raw, c.until = detached{fd: fd}, descriptor(fd), nil
}

// Attach undoes Detach. The descriptor stays the same.
func (c *Conn) Attach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.Conn.(detached); ok {
		file := os.NewFile(d.fd, "socket")
		c.Conn = attached{file}
		c.raw, _ = file.SyscallConn()
	}
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
