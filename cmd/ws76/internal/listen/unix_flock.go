//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package listen

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// bindUnix makes the socket with its mode. The umask, because a mode that is changed
// after bind would be another one for a moment. It is that of the whole process, which
// makes no other files while it opens its ports.
func bindUnix(path string) (net.Listener, error) {
	defer syscall.Umask(syscall.Umask(0o777 &^ socketMode))
	return net.Listen("unix", path)
}

// lockDirectory admits one process at a time. A socket between bind and listen refuses
// connections as one that was left behind does, so another process could remove it.
func lockDirectory(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockTimeout); ; time.Sleep(lockTimeout / 100) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if time.Now().After(end) {
			f.Close()
			return nil, fmt.Errorf("another process holds the lock of %s: %w", dir, err)
		}
	}
}

// lockTimeout is how long other processes may hold the lock, while they open a socket.
const lockTimeout = time.Second
