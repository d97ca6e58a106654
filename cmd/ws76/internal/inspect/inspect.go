// Package inspect shows operators both sides of every connection, live: a page, a stream
// of events for it, and an export. It keeps the newest messages of all connections in a
// fixed amount of memory.
package inspect

import (
	"cmp"
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
	conns []*conn    // by their id
	over  []*conn    // of these, in the order in which they ended
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
	i.held.Add(c.size())
	i.mu.Unlock()
	if c.isOver() {
		i.ended(c)
	}
	i.trim()
	return c
}

// trim makes room where there is none, and some more, because it looks at all connections.
// Rows go first, the oldest of all connections, then connections that are over, then the
// oldest open ones: the heads of many take more than there is.
func (i *Inspector) trim() {
	if i.held.Load() <= i.memory {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.held.Load() > i.memory-i.memory/16 {
		switch last := i.seq.Load(); {
		case i.cut <= last:
			i.cut += 1 + (last-i.cut)/8
			for _, c := range i.conns {
				i.evicted.Add(c.evict(i.cut))
			}
		case len(i.over) > 0:
			i.forget(i.over[0])
		case len(i.conns) > 0:
			i.forget(i.conns[0])
		default:
			return
		}
	}
}

// forget removes a connection. The caller holds mu.
func (i *Inspector) forget(c *conn) {
	if at, ok := i.at(c.id); ok {
		i.conns = slices.Delete(i.conns, at, at+1)
	}
	if at := slices.Index(i.over, c); at >= 0 {
		i.over = slices.Delete(i.over, at, at+1)
	}
	c.drop()
	i.held.Add(-c.size())
}

// at is where a connection is, or would be. The caller holds mu.
func (i *Inspector) at(id int64) (at int, ok bool) {
	return slices.BinarySearchFunc(i.conns, id, func(c *conn, id int64) int { return cmp.Compare(c.id, id) })
}

// ended notes that a connection is over, and keeps the list of those short.
func (i *Inspector) ended(c *conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, ok := i.at(c.id); ok {
		i.over = append(i.over, c)
	}
	for len(i.over) > maxEnded {
		i.forget(i.over[0])
	}
}

// list is all connections, the oldest first.
func (i *Inspector) list() []*conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.conns)
}

func (i *Inspector) find(id int64) *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	if at, ok := i.at(id); ok {
		return i.conns[at]
	}
	return nil
}

// now is a variable of the package's own tests.
var now = time.Now
