//go:build unix

package host

import (
	"syscall"

	"github.com/hashicorp/go-hclog"
)

// spareDescriptors are those that are not for WebSocket connections.
const spareDescriptors = 64

// WarnOfDescriptors logs that the limit of descriptors is lower than connections need,
// which are two each.
func WarnOfDescriptors(connections int, logger hclog.Logger) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	if need := uint64(2*connections + spareDescriptors); connections > 0 && uint64(limit.Cur) < need {
		logger.Warn("too few file descriptors for as many connections as are allowed", "variable", "WS76_MAX_CONNECTIONS", "value", connections,
			"limit", uint64(limit.Cur), "needed", need, "change", "raise the hard limit (LimitNOFILE, ulimit -Hn), or set WS76_MAX_CONNECTIONS to less than half of it")
	}
}
