package sockets

import (
	"encoding/binary"
	"syscall"
	"unsafe"
)

// QueueNow is how many bytes the other side of a TCP socket has not acknowledged, an end
// of TCP counted as one; a Unix socket would say how much memory it has. There is no other
// way to ask than ioctl, which package syscall does not have.
func QueueNow(fd uintptr) int {
	var n int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	if errno != 0 {
		return 0
	}
	return int(n)
}

// ReceivedNow is how many bytes a socket has that nobody has read.
func ReceivedNow(fd uintptr) int {
	var n int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

// stateClosed is that of a socket which was reset, or both of whose halves have
// ended: its queue keeps the last value that it had.
const stateClosed = 7

// state is TCP's state of a socket; 0 if it has none.
func state(fd uintptr) byte { return info(fd)[0] }

// answers reports whether the other side of a socket that TCP_USER_TIMEOUT has ended was
// there to the last: nothing was sent again, and at most the last probe was not answered.
func answers(fd uintptr) bool {
	first := info(fd)
	return first[2] == 0 && first[3] <= 1
}

// info is the begin of the kernel's tcp_info: state, ca_state, retransmits, probes.
func info(fd uintptr) (first [4]byte) {
	if info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO); err == nil {
		binary.NativeEndian.PutUint32(first[:], uint32(info))
	}
	return first
}
