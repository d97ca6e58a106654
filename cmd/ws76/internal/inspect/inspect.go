// Package inspect shows operators both sides of every connection, live: a page, a stream
// of events for it, and an export. It keeps the newest messages of all connections in a
// fixed amount of memory.
package inspect

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ws76/ws76/translate"
)

// maxEnded is how many connections that are over, and handshakes that were refused, are
// kept; the oldest go first.
const maxEnded = 200

// An Inspector keeps what a Gateway shows its Observer. Its methods may be called by
// several goroutines at once.
type Inspector struct {
	memory int64 // bytes that rows and heads may take
	binary translate.BinaryPolicy

	seq     atomic.Int64 // numbers rows and their changes, across all connections
	held    atomic.Int64 // bytes
	evicted atomic.Int64 // rows that went for lack of memory
	viewers atomic.Int32

	mu    sync.Mutex // taken before that of a conn
	conns []*conn    // the oldest first
	next  int64
	cut   int64 // older rows have gone
}

// New returns an Inspector that keeps at most so many bytes. The policy is the Gateway's,
// to say what becomes of binary messages.
func New(memory int64, binary translate.BinaryPolicy) *Inspector {
	return &Inspector{memory: memory, binary: binary}
}

// Handshake adds a connection, or a handshake that was refused.
func (i *Inspector) Handshake(x *translate.Exchange) translate.Tap {
	c := newConn(i, x)
	i.mu.Lock()
	i.next++
	c.id = i.next
	i.conns = append(i.conns, c)
	i.mu.Unlock()
	i.held.Add(c.size())
	i.ended()
	i.trim()
	return c
}

// trim makes room. Where rows go, they are the oldest of all connections.
func (i *Inspector) trim() {
	if i.held.Load() <= i.memory {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.held.Load() > i.memory {
		if last := i.seq.Load(); i.cut <= last {
			i.cut += 1 + (last-i.cut)/8
			for _, c := range i.conns {
				i.evicted.Add(c.evict(i.cut))
			}
		} else if !i.forget() {
			return
		}
	}
}

// forget removes the oldest connection that is over.
func (i *Inspector) forget() bool {
	k := slices.IndexFunc(i.conns, (*conn).isOver)
	if k < 0 {
		return false
	}
	c := i.conns[k]
	i.conns = slices.Delete(i.conns, k, k+1)
	c.evict(i.seq.Load() + 1)
	i.held.Add(-c.size())
	return true
}

// ended keeps the list of what is over short.
func (i *Inspector) ended() {
	i.mu.Lock()
	defer i.mu.Unlock()
	over := 0
	for _, c := range i.conns {
		if c.isOver() {
			over++
		}
	}
	for ; over > maxEnded; over-- {
		i.forget()
	}
}

// list is all connections, the oldest first.
func (i *Inspector) list() []*conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.conns)
}

func (i *Inspector) find(id int64) *conn {
	for _, c := range i.list() {
		if c.id == id {
			return c
		}
	}
	return nil
}

// now is a variable of the package's own tests.
var now = time.Now
