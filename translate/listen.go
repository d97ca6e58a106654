package translate

import (
	"context"
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
	lc := net.ListenConfig{}
	if control := sockets.Control(write); control != nil {
		lc = net.ListenConfig{KeepAlive: -1, Control: control}
	}
	ln, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return sockets.NewListener(ln, write), nil
}

// Adopt gives a TCP port that somebody else opened, such as one that systemd passes
// on, all that Listen gives one.
func Adopt(ln *net.TCPListener, write time.Duration) (net.Listener, error) {
	control := sockets.Control(write)
	if control == nil {
		return sockets.NewListener(ln, write), nil
	}
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := control("tcp", ln.Addr().String(), raw); err != nil {
		return nil, err
	}
	return sockets.NewListener(adopted{ln}, write), nil
}

// adopted undoes what Go does to each connection of a listener that it did not open: it
// sets keep-alive times of its own.
type adopted struct{ *net.TCPListener }

func (ln adopted) Accept() (net.Conn, error) {
	conn, err := ln.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return conn, conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: sockets.KeepAliveIdle, Interval: sockets.KeepAliveInterval, Count: -1})
}

// WithWriteTimeout gives the connections of another listener than Listen opens, a
// Unix socket for example, the write timeout that those of Listen have.
func WithWriteTimeout(ln net.Listener, write time.Duration) net.Listener {
	return sockets.NewListener(ln, write)
}
