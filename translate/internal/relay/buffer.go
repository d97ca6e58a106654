package relay

import "sync"

const (
	// readSize is how much one read brings at most. With a frame's header it fits one segment
	// of a loopback connection (65,483 bytes); a few bytes more make a second one of each
	// write, and double what it costs.
	readSize = 64<<10 - 512
	// writeSize is how much one write takes at most: what one read brings, in the
	// other side's words, fits but for a flood of short messages. It is what a stalled
	// flow holds: what is left of the read fits where the write leaves room.
	writeSize = 72 << 10
	// maxRest is the largest unfinished message that waits for more in a buffer of
	// its own size. A larger one keeps the whole buffer, for quietFor at most.
	maxRest = 4 << 10
	// keptRest is how much of such a buffer is kept for the next.
	keptRest = 1 << 10
	// waitSize is what a flow holds while it waits for a connection that is not a
	// bare socket: TLS cannot say that it is readable.
	waitSize = 4 << 10
)

var (
	inputs  = sync.Pool{New: func() any { return new([readSize]byte) }}
	outputs = sync.Pool{New: func() any { return new([writeSize]byte) }}
)
