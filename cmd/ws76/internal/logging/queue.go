package logging

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// maxQueued is how many bytes of the log wait for a reader.
const maxQueued = 1 << 20

// A Queue is a writer that never waits and never fails. A goroutine passes on to w what
// is written; what does not fit into the queue, or what w refuses, is dropped and
// counted. Without it, a terminal or collector that does not read would stop whoever
// logs, which is every handshake.
type Queue struct {
	w io.Writer

	mu      sync.Mutex
	waiting bytes.Buffer
	writing int   // bytes that w has not taken yet
	dropped int64 // lines since the last notice
	lost    int64 // lines in all
	notice  func(to io.Writer, lines int64)
	changed *sync.Cond // waiting or writing
}

// NewQueue returns a Queue that writes to w.
func NewQueue(w io.Writer) *Queue {
	q := &Queue{w: w}
	q.changed = sync.NewCond(&q.mu)
	go q.run()
	return q
}

// Write takes one or more lines.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting.Len()+q.writing+len(p) > maxQueued {
		q.drop(p)
		return len(p), nil
	}
	if q.dropped > 0 && q.notice != nil {
		q.notice(&q.waiting, q.dropped)
		q.dropped = 0
	}
	q.waiting.Write(p)
	q.changed.Broadcast()
	return len(p), nil
}

// setNotice sets what writes the line that says how many lines were dropped before it.
func (q *Queue) setNotice(notice func(to io.Writer, lines int64)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.notice = notice
}

// drop counts lines; q.mu is held.
func (q *Queue) drop(p []byte) {
	lines := int64(bytes.Count(p, []byte("\n")))
	q.dropped += lines
	q.lost += lines
}

// Lost is how many lines have been dropped.
func (q *Queue) Lost() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// run passes on what is written, for as long as the process lives.
func (q *Queue) run() {
	q.mu.Lock()
	for {
		for q.waiting.Len() == 0 {
			q.changed.Wait()
		}
		batch := q.waiting
		q.waiting = bytes.Buffer{}
		q.writing = batch.Len()
		q.mu.Unlock()
		n, err := q.w.Write(batch.Bytes())
		q.mu.Lock()
		if err != nil {
			q.drop(batch.Bytes()[n:])
		}
		q.writing = 0
		q.changed.Broadcast()
	}
}

// Flush waits until everything is written, but not longer than patience.
func (q *Queue) Flush(patience time.Duration) {
	expired := false
	timer := time.AfterFunc(patience, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		expired = true
		q.changed.Broadcast()
	})
	defer timer.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for !expired && q.waiting.Len()+q.writing > 0 {
		q.changed.Wait()
	}
}
