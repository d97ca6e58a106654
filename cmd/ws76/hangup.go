package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
)

// ignoreHangups answers SIGHUP, by which other servers are told to read their
// files anew, until stop is called: while the gateway drains, too.
func ignoreHangups(logger hclog.Logger) (stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			logger.Info("hangup ignored: changed certificates are read anew without it, other settings by a restart")
		}
	}()
	return func() {
		signal.Stop(hup)
		close(hup)
	}
}
