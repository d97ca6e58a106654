package listen

import (
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/translate"
)

// tlsSocket is the FileDescriptorName= of a socket that replaces WS76_TLS_LISTEN; one
// with any other name replaces WS76_LISTEN.
const tlsSocket = "tls"

// inherited returns the sockets that systemd opened for this process (LISTEN_FDS), by
// the variable that each replaces.
func inherited() (sockets map[string]net.Listener, problems config.Errors) {
	byName, err := activation.ListenersWithNames()
	if err != nil {
		return nil, config.Errors{config.Invalid("LISTEN_FDS", "", "%w", err)}
	}
	sockets = map[string]net.Listener{}
	for name, listeners := range byName {
		variable := "WS76_LISTEN"
		if name == tlsSocket {
			variable = "WS76_TLS_LISTEN"
		}
		for _, ln := range listeners {
			if other := sockets[variable]; other != nil {
				problems = append(problems, config.Invalid(variable, ln.Addr().String(), "systemd has passed on %s for it too; allowed: one socket, and one with FileDescriptorName=%s for WS76_TLS_LISTEN", other.Addr(), tlsSocket))
			}
			sockets[variable] = ln
		}
	}
	return sockets, problems
}

// adopt gives a socket that systemd opened what Listen gives one.
func adopt(ln net.Listener, write time.Duration) (net.Listener, error) {
	switch ln := ln.(type) {
	case *net.TCPListener:
		adopted, err := translate.Adopt(ln, write)
		if err != nil {
			return nil, fmt.Errorf("the socket %s that systemd passed on: %w", ln.Addr(), err)
		}
		return adopted, nil
	case *net.UnixListener:
		return translate.WithWriteTimeout(ln, write), nil
	default:
		return nil, fmt.Errorf("a %T is not a socket for clients; allowed: ListenStream= of a port or a path", ln)
	}
}
