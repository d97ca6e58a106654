package main

import "syscall"

// keepAlive finds clients that are gone without a word, within 90 s: legacy
// clients cannot be pinged. It is set on the listening socket, from which Linux
// hands it down, and so costs nothing for each connection.
func keepAlive(_, _ string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		for _, o := range []struct{ level, option, value int }{
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 30},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 4},
		} {
			if err == nil {
				err = syscall.SetsockoptInt(int(fd), o.level, o.option, o.value)
			}
		}
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
