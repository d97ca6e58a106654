package relay

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// The backend of a Pair has keep-alive too, a second after the begin at the latest, whoever
// owns its flows.
func TestOptionsOfAPair(t *testing.T) {
	for _, d := range drivers {
		if d.name == "goroutines-memory" {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			d.run(t, inLines(), func(j *joined) {
				end := time.Now().Add(time.Minute)
				for name, o := range map[string]struct{ level, option, want int }{
					"SO_KEEPALIVE":     {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
					"TCP_KEEPIDLE":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 30},
					"TCP_KEEPINTVL":    {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15},
					"TCP_USER_TIMEOUT": {syscall.IPPROTO_TCP, 18, 90_000},
				} {
					got := 0
					for ; got != o.want && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
						got = option(t, j.pair.sockets[Backend].conn, o.level, o.option)
					}
					if got != o.want {
						t.Errorf("%s is %d, want %d", name, got, o.want)
					}
				}
			})
		})
	}
}

func option(t testing.TB, conn net.Conn, level, option int) (value int) {
	t.Helper()
	var err error
	if closed := sockets.Raw(sockets.Innermost(conn)).Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, option) }); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	return value
}
