package host

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
)

// NotifyReady and NotifyStopping tell systemd, if it has started the process with
// Type=notify, that clients are served and that a drain has begun.
func NotifyReady(logger hclog.Logger)    { notify(daemon.SdNotifyReady, logger) }
func NotifyStopping(logger hclog.Logger) { notify(daemon.SdNotifyStopping, logger) }

func notify(state string, logger hclog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd was not notified", "state", state, "error", err)
	}
}

// Watchdog tells systemd twice in each WatchdogSec that the process is alive, until ctx
// ends. It does so only after alive has returned.
func Watchdog(ctx context.Context, alive func(), logger hclog.Logger) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		logger.Warn("systemd's watchdog is not notified", "error", err)
	}
	if interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		alive()
		notify(daemon.SdNotifyWatchdog, logger)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
