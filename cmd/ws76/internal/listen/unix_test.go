//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package listen

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func mustListen(t *testing.T, address string) net.Listener {
	t.Helper()
	ln, err := Listen(address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// leaveBehind makes the socket of a process that was killed.
func leaveBehind(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
}

// The mode is right from the first moment, whatever the umask is: before, it was 0640 until
// it was changed.
func TestUnixSocketHasItsMode(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		defer syscall.Umask(syscall.Umask(umask))
		for i := range 100 {
			path := filepath.Join(t.TempDir(), strconv.Itoa(i))
			seen := make(chan fs.FileMode)
			go func() {
				info, err := os.Stat(path)
				for err != nil {
					info, err = os.Stat(path)
				}
				seen <- info.Mode()
			}()
			mustListen(t, "unix:"+path)
			if mode := <-seen; mode != fs.ModeSocket|0o660 {
				t.Fatalf("umask %03o: mode %s", umask, mode)
			}
		}
		if got := syscall.Umask(umask); got != umask {
			t.Errorf("the umask is %03o afterwards, was %03o", got, umask)
		}
	}
}

func TestStaleUnixSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	leaveBehind(t, path)
	ln := mustListen(t, "unix:"+path)
	go func() {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Error(err)
			ln.Close()
			return
		}
		conn.Close()
	}()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// Of those that find the same stale socket, one gets it. A socket refuses connections
// before listen, so another one could take it for stale.
func TestStaleUnixSocketIsReplacedOnce(t *testing.T) {
	for range 50 {
		path := filepath.Join(t.TempDir(), "s")
		leaveBehind(t, path)
		results := make(chan net.Listener, 4)
		for range cap(results) {
			go func() {
				ln, _ := Listen("unix:"+path, time.Second)
				results <- ln
			}()
		}
		var listeners []net.Listener
		for range cap(results) {
			if ln := <-results; ln != nil {
				defer ln.Close()
				listeners = append(listeners, ln)
			}
		}
		if len(listeners) != 1 {
			t.Fatalf("%d listen", len(listeners))
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
}

func TestUnixSocketOfAnotherProcessIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	mustListen(t, "unix:"+path)
	if _, err := Listen("unix:"+path, time.Second); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("error %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first socket is gone: %v", err)
	}
	conn.Close()
}

func TestFileIsNoStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+path, time.Second); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("error %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "data" {
		t.Errorf("the file is now %q", text)
	}
}
