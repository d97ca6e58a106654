package sockets

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// A port that somebody else opened has, on each connection, the options that Listen
// sets: Go's own keep-alive would come in the place of the listener's.
func TestAdoptedPortHasTheOptions(t *testing.T) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // as systemd opens a port
	opened, err := plain.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := opened.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	passed, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	adopted, err := Adopt(passed.(*net.TCPListener), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	opened.Close()
	file.Close()
	client, err := net.Dial("tcp", adopted.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := adopted.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*Conn).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for name, o := range map[string]struct{ level, option, want int }{
			"SO_KEEPALIVE":      {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			"TCP_KEEPIDLE":      {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 30},
			"TCP_KEEPINTVL":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15},
			"TCP_USER_TIMEOUT":  {syscall.IPPROTO_TCP, 18, 90_000},
			"TCP_NOTSENT_LOWAT": {syscall.IPPROTO_TCP, 25, 128 << 10},
		} {
			if got, err := syscall.GetsockoptInt(int(fd), o.level, o.option); got != o.want || err != nil {
				t.Errorf("%s is %d, %v, want %d", name, got, err, o.want)
			}
		}
	})
}
