package sockets

import (
	"errors"
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
	return control(func(fd int) error { return errors.Join(setUnsent(fd, notSent), setKeepAlive(fd, write)) })
}

// BoundUnsent is Control for connections that get SetKeepAlive later.
func BoundUnsent() func(network, address string, raw syscall.RawConn) error {
	return control(func(fd int) error { return setUnsent(fd, notSent) })
}

func control(set func(fd int) error) func(network, address string, raw syscall.RawConn) error {
	return func(network, _ string, raw syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var err error
		closed := raw.Control(func(fd uintptr) { err = set(int(fd)) })
		return errors.Join(closed, err)
	}
}

// setKeepAlive sets the options that find another side which is gone.
func setKeepAlive(fd int, write time.Duration) error {
	gone := max(90*time.Second, write+30*time.Second)
	for _, o := range []struct{ level, option, value int }{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(keepAliveIdle.Seconds())},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(keepAliveInterval.Seconds())},
		{syscall.IPPROTO_TCP, tcpUserTimeout, int(gone.Milliseconds())}, // in the place of TCP_KEEPCNT
	} {
		if err := syscall.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return err
		}
	}
	return nil
}

// liftUnsent lifts the bound of Control, and returns 1 if the socket had it: 0 is the system's
// own, which is none.
func liftUnsent(fd uintptr) int {
	if most, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSent); most != notSent || err != nil {
		return 0
	}
	setUnsent(int(fd), 0)
	return 1
}

// bindUnsent sets it again.
func bindUnsent(fd uintptr) int {
	setUnsent(int(fd), notSent)
	return 0
}

func setUnsent(fd, most int) error {
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpNotSent, most)
}
