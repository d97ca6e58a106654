package relay

import (
	"io"
	"runtime"
	"strings"
	"sync/atomic"
)

// A turnCodec passes lines, and counts the bytes that it is given between two turns of
// somebody else, when there is one processor for all.
type turnCodec struct {
	lines
	turn       *atomic.Int64 // of somebody else
	last       int64
	bytes, max int
}

func (c *turnCodec) Transform(dst, src []byte, full bool) (nDst, nSrc int, err error) {
	if turn := c.turn.Load(); turn != c.last {
		c.last, c.bytes = turn, 0
	}
	nDst, nSrc, err = c.lines.Transform(dst, src, full)
	c.bytes += nSrc
	c.max = max(c.max, c.bytes)
	return nDst, nSrc, err
}

func counting() *script {
	turn := new(atomic.Int64)
	return &script{up: &turnCodec{turn: turn}, down: &lines{}}
}

// A flow that never waits yields: between two turns of somebody else, who wants the one
// processor too, it carries at most so much: the scheduler may prefer it once, and once more
// while it passes from the loop to a goroutine; and of short messages there is the one read
// that finds them. A turn is about so much.
func budgetForEachTurn(message string, turn, most int) func(*joined) {
	return func(j *joined) {
		pause := &j.pair.sockets[Backend]
		if err := pause.claim(); err != nil {
			j.Fatal(err)
		}
		j.flood(message, turn, most, func() { j.suspends(Backend) }, func() { pause.release(false, nil) })
	}
}

// flood sends what the flow, which stands still already, carries when enough of it has come.
func (j *joined) flood(message string, turn, most int, comes, release func()) {
	codec := j.up.(*turnCodec)
	flow := &j.pair.flows[Client]
	hold := make(chan struct{})
	text := strings.Repeat(message, 2*j.holds/len(message))
	go func() {
		defer close(hold)
		io.WriteString(j.client, text)
	}()
	comes()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	go io.Copy(io.Discard, j.backend)
	codec.turn.Add(1)
	release()
	for flow.bytes.Load() < int64(len(text)) {
		codec.turn.Add(1)
		runtime.Gosched()
	}
	<-hold
	if codec.max > most || codec.turn.Load() < int64(len(text)/turn) {
		j.Errorf("%d bytes in a turn of %d, want at most %d", codec.max, codec.turn.Load(), most)
	}
}
