package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
)

// ignoreHangups answers SIGHUP, by which other servers are told to read their
// files anew, until ctx ends.
func ignoreHangups(ctx context.Context, logger hclog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	context.AfterFunc(ctx, func() {
		signal.Stop(hup)
		close(hup)
	})
	go func() {
		for range hup {
			logger.Info("hangup ignored: changed certificates are read anew without it, other settings by a restart")
		}
	}()
}
