package translate

import (
	"net"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// Listen opens a TCP port for clients. write is Timeouts.Write: its connections
// have that timeout for a client that takes nothing, below whatever the caller puts
// on top of them, as TLS. On Linux they also have keep-alive and TCP_USER_TIMEOUT,
// which find a client that is gone without a word within 90 s (or 30 s after
// write), and TCP_NOTSENT_LOWAT of 128 KiB, which bounds what the kernel holds for a
// client that is not quick to take it.
//
// A Gateway serves any other listener too. It puts the write timeout on top of the
// listener's connections, where it ends a TLS connection at the first pause of the
// client that is as long, and leaves the other options as they are.
func Listen(address string, write time.Duration) (net.Listener, error) {
	return sockets.Listen(address, write)
}

// Adopt gives a TCP port that somebody else opened, such as one that systemd passes
// on, all that Listen gives one.
func Adopt(ln *net.TCPListener, write time.Duration) (net.Listener, error) {
	return sockets.Adopt(ln, write)
}

// WithWriteTimeout gives the connections of another listener than Listen opens, a
// Unix socket for example, the write timeout that those of Listen have.
func WithWriteTimeout(ln net.Listener, write time.Duration) net.Listener {
	return sockets.NewListener(ln, write)
}
