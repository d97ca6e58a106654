//go:build !unix

package admission

import "net"

// Scarcity returns nil: nothing is known of descriptors here.
func Scarcity() func(net.Conn) bool { return nil }
