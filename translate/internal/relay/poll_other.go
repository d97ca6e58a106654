//go:build !linux

package relay

import "errors"

const forData, forInput, forLeft = 0, 0, 0

// A loop is what this system does not have.
type loop struct{ carried int }

func newLoop() (*loop, error) { return nil, errors.ErrUnsupported }

func (*loop) run() {}

func (*loop) close() {}

func (*loop) add(uintptr, uint32, waiter) (slot uint32, err error) { return 0, errors.ErrUnsupported }

func (*loop) remove(uint32, uintptr) {}

func (*loop) wakes(*flow) {}

func (*loop) sleeps(*flow) {}

func (*loop) isCrowded() bool { return true }

func (*Pair) detach() {}

func (*Pair) attach() {}

func (*socket) attach() {}
