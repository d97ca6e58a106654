package wiretest

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Serve calls serve for each connection to a port of the loopback interface, in a goroutine
// of its own, until the test is over. It closes the connection when serve returns.
func Serve(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

// TCP returns the two ends of a connection on the loopback interface.
func TCP(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close() })
	t.Cleanup(func() { accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

// Descriptors is how many this process holds, but for pipes: Go keeps some for io.Copy until it
// collects garbage. It needs Linux.
func Descriptors(t testing.TB) int {
	t.Helper()
	all, _ := filepath.Glob("/proc/self/fd/*") // it opens a file, so Go's poller has its two already
	if len(all) == 0 {
		t.Fatal("/proc/self/fd cannot be read")
	}
	return len(slices.DeleteFunc(all, func(fd string) bool {
		what, err := os.Readlink(fd) // an error for the directory's own
		return err != nil || strings.HasPrefix(what, "pipe:")
	}))
}
