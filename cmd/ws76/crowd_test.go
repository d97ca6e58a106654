package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// A crowd is connections of all dialects with traffic both ways, through one
// gateway to one backend.
type crowd struct {
	pairs   []*pair
	clients sync.WaitGroup
}

// A pair is a connection as its two ends see it.
type pair struct {
	number   int
	dialect  legacy.Dialect
	client   *speaker
	backend  *websocket.Conn
	joined   chan struct{} // closed when there is a backend
	up, down flow

	end  string        // of the client's side, in words
	left chan struct{} // closed at the end of the backend's side
	code int           // of the Close that the backend got; 1006 if there was none
}

// A flow is one direction. Its messages are numbered, so that none can be lost,
// doubled or overtaken unseen.
type flow struct {
	written, read atomic.Int64
	broken        error // set by the reader before it ends
}

func numbered(n int64) string { return fmt.Sprintf("%d %s", n, strings.Repeat("-", int(n%64))) }

// write says the next message, and reports whether that was possible.
func (f *flow) write(say func(string) error) bool {
	if say(numbered(f.written.Load())) != nil {
		return false
	}
	f.written.Add(1)
	return true
}

// took reports whether a message is the next.
func (f *flow) took(message string) bool {
	if want := numbered(f.read.Load()); message != want {
		f.broken = fmt.Errorf("message %q, want %q", message, want)
		return false
	}
	f.read.Add(1)
	return true
}

// newCrowd is pairs that are not connected yet, about a third each of -76, -75
// and RFC 6455 and some of version 8, and the address of their backend.
func newCrowd(t *testing.T, size int) (c *crowd, backend string) {
	c = &crowd{}
	for i := range size {
		p := &pair{number: i, joined: make(chan struct{}), left: make(chan struct{})}
		if p.dialect = []legacy.Dialect{legacy.Hixie76, legacy.Hixie75, legacy.RFC6455}[i%3]; i%16 == 15 {
			p.dialect = legacy.Hybi08
		}
		c.pairs = append(c.pairs, p)
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, server.Listener.Addr().String()
}

// ServeHTTP is the backend: the path is the number of the pair.
func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi(r.URL.Path[1:])
	if err != nil {
		http.NotFound(w, r)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	p := c.pairs[i]
	p.backend = conn
	close(p.joined)
	defer close(p.left)
	for {
		_, message, err := conn.ReadMessage()
		if end, ok := err.(*websocket.CloseError); ok {
			p.code = end.Code
		}
		if err != nil || !p.up.took(string(message)) {
			return
		}
	}
}

// connect opens pairs, and has their clients listen.
func (c *crowd) connect(t *testing.T, gateway string, pairs ...*pair) {
	t.Helper()
	todo := make(chan *pair)
	var openers sync.WaitGroup
	for range 16 {
		openers.Go(func() {
			for p := range todo {
				if err := p.open(gateway); err != nil {
					t.Errorf("open %d, a client of %s: %v", p.number, p.dialect, err)
				}
			}
		})
	}
	for _, p := range pairs {
		todo <- p
	}
	close(todo)
	openers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, p := range pairs {
		t.Cleanup(p.client.abort)
		c.clients.Go(p.listen)
	}
}

func (p *pair) open(gateway string) (err error) {
	if p.client, err = speak(gateway, p.dialect, "/"+strconv.Itoa(p.number)); err == nil {
		<-p.joined
	}
	return err
}

// listen takes messages until the end, which it answers in the client's dialect.
func (p *pair) listen() {
	defer p.client.CloseWrite()
	for {
		message, err := p.client.hear()
		switch {
		case err == nil && p.down.took(message):
			continue
		case err == nil:
			p.end = "a wrong message"
		case errors.Is(err, errEnd):
			p.end = "end of TCP"
		case errors.Is(err, errGoodbye):
			p.client.goodbye()
			p.end = "goodbye, end of TCP"
			if rest, err := p.client.rest(); len(rest) > 0 || err != nil {
				p.end = fmt.Sprintf("goodbye, %q, %v", rest, err)
			}
		default:
			p.end = err.Error()
		}
		return
	}
}

// talk has both ends of all pairs say one message after the other for as long
// as they can, until silence is called, which waits.
func (c *crowd) talk() (silence func()) {
	var stopped atomic.Bool
	var talkers sync.WaitGroup
	talk := func(say func(p *pair) bool) {
		talkers.Go(func() {
			for able := slices.Clone(c.pairs); len(able) > 0 && !stopped.Load(); {
				able = slices.DeleteFunc(able, func(p *pair) bool { return !say(p) })
			}
		})
	}
	talk(func(p *pair) bool { return p.up.write(p.client.say) })
	talk(func(p *pair) bool { return p.down.write(p.reply) })
	return func() {
		stopped.Store(true)
		talkers.Wait()
	}
}

// reply sends a message from the backend.
func (p *pair) reply(message string) error {
	return p.backend.WriteMessage(websocket.TextMessage, []byte(message))
}

// over waits until both ends of all pairs have seen their end.
func (c *crowd) over() {
	c.clients.Wait()
	for _, p := range c.pairs {
		<-p.left
	}
}
