package sockets

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/wiretest"
)

// detach is what the relay does.
func detach(t *testing.T, c *Conn) (fd uintptr) {
	t.Helper()
	err := c.Raw().Control(func(own uintptr) {
		var err error
		if fd, err = Dup(own); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Detach(fd)
	return fd
}

// A socket that was detached is the same as before when it is attached: nothing that came
// meanwhile is lost, and no deadline of the time before holds.
func TestDetach(t *testing.T) {
	near, far := wiretest.TCP(t)
	c := New(near, time.Second).(*Conn)
	c.Attach() // which it is
	for range 3 {
		c.SetReadDeadline(time.Unix(1, 0))
		c.SetWriteDeadline(time.Unix(1, 0))
		detach(t, c)
		if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the first connection is open: %v", err)
		}
		for _, err := range []error{c.SetReadDeadline(time.Unix(1, 0)), c.SetWriteDeadline(time.Unix(1, 0))} {
			if err != nil {
				t.Errorf("a deadline: %v", err)
			}
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a write while it is detached: %v", err)
		}
		io.WriteString(far, "hello")
		if n := c.Ask(ReceivedNow); n != 5 || c.SendQueue() != 0 || c.IsClosed() {
			t.Errorf("%d bytes to read, %d in the queue, closed %v", n, c.SendQueue(), c.IsClosed())
		}
		c.Attach()
		got := make([]byte, 5)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
		if n, err := c.Write(got); n != 5 || err != nil {
			t.Fatalf("wrote %d bytes, %v", n, err)
		}
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
		go io.WriteString(far, "later")
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "later" {
			t.Fatalf("got %q, %v", got, err)
		}
		c.SetReadDeadline(time.Unix(1, 0))
		if _, err := c.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read behind its deadline: %v", err)
		}
	}
	if _, err := c.Write(make([]byte, 32<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a side that reads nothing took 32 MiB: %v", err)
	}
	go io.Copy(io.Discard, far)
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	far.SetLinger(0)
	far.Close()
	c.SetReadDeadline(time.Time{})
	io.Copy(io.Discard, c)
	fd := detach(t, c)
	if !c.IsClosed() {
		t.Error("a socket that was reset is not closed")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if second, err := Dup(fd); err == nil {
		syscall.Close(int(second))
		t.Error("the descriptor is open")
	}
}
