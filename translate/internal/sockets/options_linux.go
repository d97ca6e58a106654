package sockets

import (
	"strings"
	"syscall"
	"time"
)

const (
	// notSent is TCP_NOTSENT_LOWAT: a socket takes no more while so many bytes
	// are not even on their way. Without it the kernel holds megabytes for a side
	// that does not read, and a slow side's socket has no room for half a minute.
	notSent = 128 << 10

	tcpUserTimeout = 0x12
	tcpNotSent     = 0x19
)

// Control sets the options of a socket that listens, from which Linux hands them
// down to what it accepts, or of one that is about to connect. It is for
// net.ListenConfig and net.Dialer, whose own keep-alive must be off. Another side
// that is gone without a word is found within 90 s, or 30 s after the write
// timeout if that is later, whether it idles or has bytes to acknowledge.
func Control(write time.Duration) func(network, address string, raw syscall.RawConn) error {
	return func(network, _ string, raw syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var err error
		closed := raw.Control(func(fd uintptr) { err = SetOptions(int(fd), write) })
		if closed != nil {
			return closed
		}
		return err
	}
}

// SetOptions sets on a connection what Control sets before it connects.
func SetOptions(fd int, write time.Duration) error {
	gone := max(90*time.Second, write+30*time.Second)
	for _, o := range []struct{ level, option, value int }{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(KeepAliveIdle.Seconds())},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(KeepAliveInterval.Seconds())},
		{syscall.IPPROTO_TCP, tcpUserTimeout, int(gone.Milliseconds())}, // in the place of TCP_KEEPCNT
		{syscall.IPPROTO_TCP, tcpNotSent, notSent},
	} {
		if err := syscall.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return err
		}
	}
	return nil
}

// NoControl is Control for the net.Dialer of connections that get SetOptions later.
func NoControl() func(network, address string, raw syscall.RawConn) error {
	return func(string, string, syscall.RawConn) error { return nil }
}

// boundUnsent and unboundUnsent set TCP_NOTSENT_LOWAT; 0 is the system's own, which is none.
func boundUnsent(fd uintptr) int   { return setUnsent(fd, notSent) }
func unboundUnsent(fd uintptr) int { return setUnsent(fd, 0) }

func setUnsent(fd uintptr, most int) int {
	syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSent, most)
	return 0
}
