package relay

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// limit sets TCP's own limits of a socket, which Control sets to 90 s and more.
func limit(t testing.TB, s *socket, gone time.Duration) {
	t.Helper()
	var err error
	s.base.Raw().Control(func(fd uintptr) {
		for option, value := range map[int]int{
			syscall.TCP_KEEPIDLE: 1, syscall.TCP_KEEPINTVL: 1, 18: int(gone.Milliseconds()),
		} {
			if err == nil {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, value)
			}
		}
		if err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// vanish has a socket drop all that comes, so that its kernel says nothing any more.
func vanish(t testing.TB, conn net.Conn) {
	t.Helper()
	raw, err := sockets.Innermost(conn).(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		//lint:ignore SA1019 golang.org/x/net/bpf would be a dependency for one line
		err = syscall.AttachLsf(int(fd), []syscall.SockFilter{{Code: syscall.BPF_RET | syscall.BPF_K}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TCP's own limit finds a side that is gone without a word, idle or with something on its
// way, on both legs. One that is there, but whose window is closed, is slow and not gone,
// although the kernel holds all that is for it and no write waits.
func TestGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	defer all.Wait()
	atOnce := func(name string, test func(t *testing.T)) { // not Parallel: they only wait for the kernel, and fill one slot
		all.Go(func() { t.Run(name, test) })
	}
	for _, d := range drivers {
		if d.name != "poller" && d.name != "goroutines-tls" { // a socket is one whoever waits for it
			continue
		}
		for _, side := range []Side{Client, Backend} {
			name := d.name + map[Side]string{Client: "-client-", Backend: "-backend-"}[side]
			ends := func(act func(j *joined, gone far)) func(*joined) {
				return func(j *joined) {
					j.talk(1)
					limit(j, &j.pair.sockets[side], time.Second)
					act(j, []far{j.client, j.backend}[side])
					for !j.saw(ReadEnded, side) {
						time.Sleep(time.Millisecond)
					}
					reset([]far{j.client, j.backend}[side]) // TLS would wait for it
				}
			}
			atOnce(name+"idle", func(t *testing.T) {
				d.run(t, inLines(), ends(func(j *joined, gone far) { vanish(j, gone) }))
			})
			atOnce(name+"with-something-on-its-way", func(t *testing.T) {
				s := inLines()
				d.run(t, s, ends(func(j *joined, gone far) {
					vanish(j, gone)
					say([]net.Conn{j.backend, j.client}[side], "lost\n")
				}))
				if s.saw(WriteTimeout, side) {
					t.Error("a side that is gone is slow")
				}
			})
			atOnce(name+"with-a-closed-window", func(t *testing.T) {
				s := inLines()
				d.run(t, s, ends(func(j *joined, slow far) {
					sockets.Innermost(slow).(*net.TCPConn).SetReadBuffer(8 << 10)
					large(j.pair.sockets[side].conn)
					say([]net.Conn{j.backend, j.client}[side], strings.Repeat("more than its kernel takes\n", 10_000))
				}))
				if !s.saw(WriteTimeout, side) {
					t.Errorf("a side that is there is gone: %v", s.events)
				}
			})
		}
	}
}
