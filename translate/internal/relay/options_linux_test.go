package relay

import (
	"syscall"
	"testing"
	"time"
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
						backend := &j.pair.sockets[Backend]
						backend.mu.Lock() // or it is detached meanwhile
						got = backend.base.Ask(func(fd uintptr) int {
							value, err := syscall.GetsockoptInt(int(fd), o.level, o.option)
							if err != nil {
								t.Error(err)
							}
							return value
						})
						backend.mu.Unlock()
					}
					if got != o.want {
						t.Errorf("%s is %d, want %d", name, got, o.want)
					}
				}
			})
		})
	}
}
