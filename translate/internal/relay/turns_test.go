package relay

import (
	"io"
	"runtime"
	"strings"
	"sync/atomic"
)

// A turnCodec passes lines, and counts the bytes that its flow carries in one turn: between two
// times that it, or its loop, lets others run. It looks at the budget for that. When others do
// run is the system's, too, which may take the processor from any of them at any time.
type turnCodec struct {
	lines
	flow       atomic.Pointer[flow] // nil = do not count yet
	reads      int64
	spent      int
	bytes, max int // in this turn, and in any
}

func (c *turnCodec) Transform(dst, src []byte, full bool) (nDst, nSrc int, err error) {
	f := c.flow.Load()
	if f != nil && c.begins(f) {
		c.bytes = 0
	}
	nDst, nSrc, err = c.lines.Transform(dst, src, full)
	if f != nil {
		c.bytes += nSrc
		c.max = max(c.max, c.bytes)
	}
	return nDst, nSrc, err
}

// begins reports whether a turn begins: with a read when no more of the budget is spent than
// when the one before began.
func (c *turnCodec) begins(f *flow) bool {
	reads, spent := f.reads.Load(), f.spent
	if f.owner.Load() == polled {
		spent = f.p.loop.carried
	}
	begins := reads != c.reads && spent <= c.spent
	c.reads, c.spent = reads, spent
	return begins
}

func counting() *script { return &script{up: new(turnCodec), down: &lines{}} }

// A flow that never waits carries no more than most before it yields. Somebody else who wants
// the one processor too has it whenever the flow has carried turn, or sooner.
func budgetForEachTurn(message string, turn, most int) func(*joined) {
	return func(j *joined) {
		pause := &j.pair.sockets[Backend]
		if err := pause.claim(); err != nil {
			j.Fatal(err)
		}
		turns := 0
		size := j.flood(message, most, func() { j.suspends(Backend) }, func() { pause.release(false, nil) }, func() {
			turns++
			runtime.Gosched()
		})
		if turns < size/turn {
			j.Errorf("somebody else had %d turns, want at least %d", turns, size/turn)
		}
	}
}

// flood sends what the flow, which stands still already, carries when enough of it has come, and
// returns how much it was. No turn may be of more than most.
func (j *joined) flood(message string, most int, comes, release, meanwhile func()) int {
	codec := j.up.(*turnCodec)
	flow := &j.pair.flows[Client]
	text := strings.Repeat(message, 2*j.holds/len(message))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(j.client, text)
	}()
	comes()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	go io.Copy(io.Discard, j.backend)
	codec.flow.Store(flow)
	release()
	for flow.bytes.Load() < int64(len(text)) {
		meanwhile()
	}
	<-sent
	if codec.max > most || codec.max == 0 {
		j.Errorf("%d bytes in a turn, want at most %d", codec.max, most)
	}
	return len(text)
}
