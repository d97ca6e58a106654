package sockets

import (
	"context"
	"net"
	"time"
)

// The keep-alive times that Control sets.
const (
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 15 * time.Second
)

// Listen opens a TCP port. Its connections have a write timeout and what Control sets.
func Listen(address string, write time.Duration) (net.Listener, error) {
	lc := net.ListenConfig{}
	if control := Control(write); control != nil {
		lc = net.ListenConfig{KeepAlive: -1, Control: control}
	}
	ln, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return NewListener(ln, write), nil
}

// Adopt gives a TCP port that somebody else opened all that Listen gives one.
func Adopt(ln *net.TCPListener, write time.Duration) (net.Listener, error) {
	control := Control(write)
	if control == nil {
		return NewListener(ln, write), nil
	}
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := control("tcp", ln.Addr().String(), raw); err != nil {
		return nil, err
	}
	return NewListener(adopted{ln}, write), nil
}

// adopted undoes what Go does to each connection of a listener that it did not open: it
// sets keep-alive times of its own.
type adopted struct{ *net.TCPListener }

func (ln adopted) Accept() (net.Conn, error) {
	conn, err := ln.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return conn, conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: -1})
}

// A listener gives each connection that it accepts a write timeout.
type listener struct {
	net.Listener
	timeout time.Duration
}

// NewListener returns ln, whose connections then are as New makes them.
func NewListener(ln net.Listener, timeout time.Duration) net.Listener {
	return listener{ln, timeout}
}

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(conn, l.timeout), nil
}
