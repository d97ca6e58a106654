//go:build !linux

package modern_test

import (
	"syscall"
	"testing"

	"github.com/ws76/ws76/modern"
)

// dialWithoutDescriptors is what it is on Linux.
func dialWithoutDescriptors(*testing.T, string) error {
	return modern.NewDialError(modern.Exhausted, syscall.EMFILE)
}
