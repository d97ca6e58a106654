//go:build !linux

package translate

import "math"

// watchAfter is never reached: each source is read until it has nothing.
const watchAfter = math.MaxInt64

type watch struct{}

func (*watch) add(*peer)    {}
func (*watch) remove(*peer) {}
func (*watch) stop()        {}

type hangup struct{}

func (*hangup) willBeTold() bool { return false }
