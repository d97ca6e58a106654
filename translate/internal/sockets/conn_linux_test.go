package sockets

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/wiretest"
)

// listenWith is a listener whose sockets have the options, and small buffers, so
// that a reader of a test's size is slow.
func listenWith(t testing.TB, write time.Duration) net.Listener {
	t.Helper()
	lc := net.ListenConfig{KeepAlive: -1, Control: Control(write)}
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return NewListener(ln, write)
}

// A reader that is slower than the buffers of the kernel by far, but reads all
// the time, gets everything: half a second without room is not half a second
// without progress. One that reads nothing has the timeout.
func TestConnOfASlowReader(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	ln := listenWith(t, timeout)
	type result struct {
		n   int
		err error
	}
	write := func() (io.ReadCloser, chan result) {
		far, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far.(*net.TCPConn).SetReadBuffer(16 << 10)
		near, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan result, 1)
		go func() {
			n, err := near.Write(make([]byte, 4<<20))
			done <- result{n, err}
			near.Close()
		}()
		return far, done
	}
	t.Run("slow", func(t *testing.T) {
		far, done := write()
		defer far.Close()
		got := 0
		for buf := make([]byte, 32<<10); ; {
			n, err := io.ReadFull(far, buf)
			if got += n; err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond) // the reader's own slowness
		}
		if r := <-done; r.err != nil || got != 4<<20 {
			t.Errorf("%d bytes came, %d were written, %v", got, r.n, r.err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		far, done := write()
		defer far.Close()
		if r := <-done; !errors.Is(r.err, os.ErrDeadlineExceeded) || r.n > 3<<20 {
			t.Errorf("%d bytes were written to a side that reads nothing, %v", r.n, r.err)
		}
	})
}

// What is set on the listener is set on what it accepts, and on what is dialled:
// on both legs a side that is gone without a word is found, and the kernel holds
// little for one that does not read.
func TestOptionsOnBothLegs(t *testing.T) {
	for write, gone := range map[time.Duration]int{time.Second: 90_000, 100 * time.Second: 130_000} {
		ln := listenWith(t, write)
		dialer := net.Dialer{KeepAlive: -1, Control: Control(write)}
		dialled, err := dialer.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer dialled.Close()
		accepted, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		for leg, conn := range map[string]net.Conn{"accepted": accepted, "dialled": dialled} {
			Raw(conn).Control(func(fd uintptr) {
				for _, o := range []struct {
					name          string
					level, option int
					want          int
				}{
					{"SO_KEEPALIVE", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
					{"TCP_KEEPIDLE", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 30},
					{"TCP_KEEPINTVL", syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15},
					{"TCP_USER_TIMEOUT", syscall.IPPROTO_TCP, 18, gone},
					{"TCP_NOTSENT_LOWAT", syscall.IPPROTO_TCP, 25, 128 << 10},
				} {
					if got, err := syscall.GetsockoptInt(int(fd), o.level, o.option); got != o.want || err != nil {
						t.Errorf("%s: %s is %d, %v, want %d", leg, o.name, got, err, o.want)
					}
				}
			})
		}
	}
}

// Of a connection that gets keep-alive later the kernel holds little from the first byte on.
func TestBoundUnsent(t *testing.T) {
	ln := listenWith(t, time.Second)
	dialer := net.Dialer{KeepAlive: -1, Control: BoundUnsent()}
	conn, err := dialer.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := option(t, conn, syscall.IPPROTO_TCP, tcpNotSent); got != notSent {
		t.Errorf("TCP_NOTSENT_LOWAT is %d, want %d", got, notSent)
	}
	if got := option(t, conn, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); got != 0 {
		t.Error("keep-alive is on")
	}
}

func option(t testing.TB, conn net.Conn, level, option int) (value int) {
	t.Helper()
	var err error
	if closed := Raw(Innermost(conn)).Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, option) }); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	return value
}

// What the kernel holds is bounded, but for a side that takes everything quickly, until it
// does not.
func TestQuickSide(t *testing.T) {
	t.Parallel()
	ln := listenWith(t, 1200*time.Millisecond)
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	far.(*net.TCPConn).SetReadBuffer(256 << 10) // or it may come to hold all that is sent
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	bound := func() bool { return option(t, near, syscall.IPPROTO_TCP, tcpNotSent) == notSent }
	c := near.(*Conn)
	for _, test := range []struct {
		waits []time.Duration
		bound bool
	}{
		{slices.Repeat([]time.Duration{0}, quickly-1), true},
		{[]time.Duration{2 * AtOnce}, true},
		{slices.Repeat([]time.Duration{AtOnce}, quickly-1), true},
		{[]time.Duration{0}, false},
		{[]time.Duration{2 * AtOnce, 0, 0}, false},
		{[]time.Duration{time.Second}, true},
		{slices.Repeat([]time.Duration{0}, quickly-1), true},
		{[]time.Duration{time.Second}, true},
	} {
		for _, d := range test.waits {
			c.waited(d)
		}
		if bound() != test.bound {
			t.Fatalf("after %v it is bound: %v", test.waits, bound())
		}
	}

	reads := make(chan struct{})
	go func() {
		for buf := make([]byte, 64<<10); bound(); {
			far.Read(buf)
		}
		close(reads)
	}()
	for chunk := make([]byte, 64<<10); bound(); {
		if _, err := near.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	<-reads
	if _, err := near.Write(make([]byte, 16<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a side that reads nothing took 16 MiB: %v", err)
	}
	if !bound() {
		t.Error("a side that has stopped reading is not bound")
	}
}

// A socket whose bound is not ours keeps it.
func TestQuickSideOfOthers(t *testing.T) {
	near, _ := wiretest.TCP(t)
	c := New(near, time.Second).(*Conn)
	const own = 16 << 10
	c.Ask(func(fd uintptr) int {
		setUnsent(int(fd), own)
		return 0
	})
	for _, d := range append(make([]time.Duration, quickly), time.Second) {
		c.waited(d)
		if got := option(t, near, syscall.IPPROTO_TCP, tcpNotSent); got != own {
			t.Fatalf("after a wait of %v TCP_NOTSENT_LOWAT is %d, want %d", d, got, own)
		}
	}
}

// The queue is what the other side has not acknowledged, and a socket that was
// reset says so, though its queue keeps its value.
func TestQueue(t *testing.T) {
	near, far := wiretest.TCP(t)
	c := New(near, time.Second).(*Conn)
	raw := c.raw
	if n := c.SendQueue(); n != 0 {
		t.Errorf("%d bytes are queued in a new socket", n)
	}
	n, _, err := send(raw, make([]byte, 32<<20), false)
	if err != nil || n == 32<<20 {
		t.Fatalf("%d bytes were taken, %v", n, err)
	}
	if q := c.SendQueue(); q == 0 || q > n {
		t.Errorf("%d bytes are queued of %d", q, n)
	}
	far.SetLinger(0)
	far.Close()
	io.Copy(io.Discard, near)
	var st byte
	raw.Control(func(fd uintptr) { st = state(fd) })
	if st != stateClosed {
		t.Errorf("the state is %d after a reset, want %d", st, stateClosed)
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(pair[0]), "")
	unix, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	defer unix.Close()
	defer syscall.Close(pair[1])
	unix.Write([]byte("hello"))
	if q := New(unix, time.Second).(*Conn).SendQueue(); q != 0 {
		t.Errorf("%d bytes are queued in a Unix socket, which cannot say", q)
	}
	if r := ReceivedNow(uintptr(pair[1])); r != 5 {
		t.Errorf("%d bytes are there to read, want 5", r)
	}
}
