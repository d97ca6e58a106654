package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// socketMode is who may connect: the owner of the process and its group, such as that
// of a reverse proxy.
const socketMode = 0o660

// listenUnix opens a Unix socket. What a process that was killed left behind is
// removed first: a socket that refuses connections.
func listenUnix(path string) (net.Listener, error) {
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	ln, err := bindUnix(path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return ln, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	return bindUnix(path)
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another process listens on %s", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
