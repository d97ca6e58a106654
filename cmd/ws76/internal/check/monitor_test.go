package check

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/modern"
)

// A Monitor asks the backend at most once a second, and follows connections that others
// make.
func TestMonitor(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan struct{}, 16)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
			accepted <- struct{}{}
		}
	}()
	var log bytes.Buffer
	dialer := modern.Dialer{Address: ln.Addr().String()}
	m := NewMonitor(dialer, hclog.New(&hclog.LoggerOptions{Output: &log}))
	dialer.Connected = m.Connected
	up := func(want bool) {
		t.Helper()
		if err := m.Err(); (err == nil) != want {
			t.Errorf("the backend is said to be up: %t, %v", err == nil, err)
		}
	}
	stale := func() { m.at = m.at.Add(-fresh) }
	up(true)
	<-accepted
	up(true)
	ln.Close()
	up(true) // as it was a moment ago
	if len(accepted) > 0 {
		t.Error("the backend was asked more than once")
	}
	stale()
	up(false)
	if n := strings.Count(log.String(), "backend is down"); n != 1 || !strings.Contains(log.String(), "this machine or container itself") {
		t.Errorf("the log says\n%s", &log)
	}
	stale()
	up(false)
	if n := strings.Count(log.String(), "backend is down"); n != 1 {
		t.Errorf("the log says %d times that the backend is down", n)
	}

	if ln, err = net.Listen("tcp", dialer.Address); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := dialer.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	up(true)
	if n := strings.Count(log.String(), "backend is back"); n != 1 {
		t.Errorf("the log says\n%s", &log)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dialer.Connect(ctx); err == nil {
		t.Error("connected though cancelled")
	}
	up(true)
}
