package relay

import (
	"net"
	"syscall"
	"testing"
)

// sendUrgent sends one byte of urgent data.
func sendUrgent(t testing.TB, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Write(func(fd uintptr) bool {
		err = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil)
		return err != syscall.EAGAIN
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A read stops at urgent data although there is more behind it.
func urgentData(j *joined) {
	j.talk(talked)
	for i := range 20 {
		j.late(func() { // the flow reads only when all is there
			say(j.client, "before\n")
			sendUrgent(j, j.client.(*net.TCPConn))
			say(j.client, "behind\n")
		})
		j.get(j.backend, "before\nbehind\n")
		if i == 0 {
			j.talk(1)
		}
	}
}
