package host

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
)

// IgnoreSIGHUP logs SIGHUP, on which other servers reload their files, until stop is
// called, so that it does not end the gateway, even while it drains.
func IgnoreSIGHUP(logger hclog.Logger) (stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			logger.Info("sighup ignored: certificates are reloaded when they change, other settings need a restart")
		}
	}()
	return func() {
		signal.Stop(hup)
		close(hup)
	}
}
