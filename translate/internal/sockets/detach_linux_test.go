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

// large writes more than fits, while it is read.
func large(t *testing.T, near *Conn, far io.Reader) {
	t.Helper()
	read := make(chan error)
	go func() {
		_, err := io.CopyN(io.Discard, far, 8<<20)
		read <- err
	}()
	if n, err := near.Write(make([]byte, 8<<20)); err != nil {
		t.Fatalf("wrote %d bytes, %v", n, err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
}

// A socket that was detached is the same as before when it is attached: nothing that came
// meanwhile is lost, and no deadline of the time before holds.
func TestDetach(t *testing.T) {
	near, far := wiretest.TCP(t)
	c := New(near, time.Second).(*Conn)
	if !c.CanDetach() || c.Attach() != nil { // it is
		t.Error("a TCP connection is not what can be detached")
	}
	for range 3 {
		c.SetReadDeadline(time.Unix(1, 0))
		c.SetWriteDeadline(time.Unix(1, 0))
		detach(t, c)
		if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the first connection is open: %v", err)
		}
		if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Errorf("a deadline: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a write while it is detached: %v", err)
		}
		io.WriteString(far, "hello")
		if n := c.Ask(ReceivedNow); n != 5 || c.SendQueue() != 0 || c.IsClosed() {
			t.Errorf("%d bytes to read, %d in the queue, closed %v", n, c.SendQueue(), c.IsClosed())
		}
		if err := c.Attach(); err != nil || !c.CanDetach() {
			t.Fatal(err)
		}
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
		large(t, c, far)
		c.SetReadDeadline(time.Unix(1, 0))
		if _, err := c.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read behind its deadline: %v", err)
		}
	}
	if _, err := c.Write(make([]byte, 32<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a side that reads nothing took 32 MiB: %v", err)
	}
	go io.Copy(io.Discard, far)
	detach(t, c)
	c.SetWriteDeadline(time.Unix(1, 0))
	c.Attach()
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write behind its deadline: %v", err)
	}
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

// A socket that Go's poller has no room for works all the same: here something that epoll
// refuses is in its place, and then the socket.
func TestAttachWithoutRoom(t *testing.T) {
	null, err := syscall.Open(t.TempDir(), syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := wiretest.TCP(t)
	c := New(near, time.Second).(*Conn)
	fd := detach(t, c)
	if err := syscall.Dup3(null, int(fd), syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	syscall.Close(null)
	if err := c.Attach(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a socket that Go's poller refuses is attached: %v", err)
	}
	other, otherFar := wiretest.TCP(t)
	Raw(other).Control(func(own uintptr) { err = syscall.Dup3(int(own), int(fd), syscall.O_CLOEXEC) })
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	far.Close()

	large(t, c, otherFar)
	read := func(want string, wantErr error) {
		t.Helper()
		got := make([]byte, 5)
		var n int
		err := c.Raw().Read(func(fd uintptr) bool {
			var err error
			n, err = ReadNow(fd, got)
			return err != syscall.EAGAIN
		})
		if string(got[:n]) != want || !errors.Is(err, wantErr) {
			t.Errorf("read %q, %v, want %q, %v", got[:n], err, want, wantErr)
		}
	}
	time.AfterFunc(3*lookEvery, func() { io.WriteString(otherFar, "later") })
	read("later", nil)
	time.AfterFunc(3*lookEvery, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	read("", os.ErrDeadlineExceeded)
	c.SetReadDeadline(time.Time{})
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(otherFar); len(b) != 0 || err != nil {
		t.Errorf("behind the end: %q, %v", b, err)
	}
	if n := c.Ask(ReceivedNow); n != 0 || !c.CanDetach() {
		t.Errorf("%d bytes to read, or it cannot be detached", n)
	}
	detach(t, c)
	if err := c.Attach(); err != nil {
		t.Error(err)
	}
	io.WriteString(otherFar, "x")
	otherFar.Close()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Raw().Control(func(uintptr) {}); err == nil {
		t.Error("a closed socket has a descriptor")
	}
}
