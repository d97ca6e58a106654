//go:build !race

package translate_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// The race detector takes stack of its own.

// A message passes on the 2 KiB of stack that a goroutine begins with: an idle connection
// would keep what it has grown to.
func TestMessageFitsSmallStack(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which shrinks stacks
	r := newRig(t)
	const pairs = 100
	stacks := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.StackInuse)
	}
	var talk []func()
	for range pairs {
		c, b := r.openAny(legacy.Hixie76)
		talk = append(talk, func() {
			c.say("\x00up\xff")
			b.get(text("up"))
			b.say(text("down"))
			c.get("\x00down\xff")
		})
	}
	before := stacks()
	for _, f := range talk {
		f()
	}
	if grown := stacks() - before; grown > pairs*2<<10 {
		t.Errorf("the stacks of %d pairs have grown by %d KiB", pairs, grown>>10)
	}
}
