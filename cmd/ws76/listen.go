package main

import (
	"context"
	"net"
	"time"
)

// keepAlive finds clients that are gone without a word: legacy clients cannot
// be pinged.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 4}

// listen opens the port for clients.
func listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	return lc.Listen(context.Background(), "tcp", address)
}
