package translate_test

import (
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/wiretest"
)

// A connection is two sockets and at most two goroutines of the gateway, and when it is
// over nothing.
func TestCostOfAConnection(t *testing.T) {
	r := newRig(t)
	const n = 50
	c, b := r.open(both[0]) // so the gateway serves, and has its own descriptors; it stays open
	c.say("\x00up\xff")
	b.get(text("up"))
	files, goroutines := wiretest.Descriptors(t), runtime.NumGoroutine()
	check := func(pairs int) {
		t.Helper()
		want := files + 4*pairs // two are the peers'
		eventually(t, func() bool { return wiretest.Descriptors(t) == want && runtime.NumGoroutine() <= goroutines+2*pairs }, func() any {
			return []any{"descriptors, goroutines:", wiretest.Descriptors(t), runtime.NumGoroutine(), "want", want, goroutines + 2*pairs}
		})
	}
	var peers []io.Closer
	for i := range n {
		c, b := r.open(both[i%2])
		c.say("\x00up\xff")
		b.get(text("up"))
		peers = append(peers, c, b)
	}
	check(n)
	for _, p := range peers {
		p.Close()
	}
	check(0)
}

// An abort is how far a client goes before it leaves: what it sends and what it
// then waits for, in turns.
type abort struct {
	path  string
	steps []string
}

var aborts = []abort{
	{"", nil},
	{"/echo", []string{head76[:100]}},
	{"/silent", []string{head75}},
	{"/silent", []string{head76 + key3}},
	{"/echo", []string{head76, "101 "}},
	{"/echo", []string{head76 + key3[:5], "101 "}},
	{"/echo", []string{head76 + key3, digest}},
	{"/echo", []string{head76 + key3, digest, hixie("hello"), hixie("hello"), "\xff\x00"}},
	{"/echo", []string{head76 + key3 + "\x00part", digest}},
	{"/echo", []string{head75 + "\x00part", "\r\n\r\n"}},
	{"/echo", []string{head75 + hixie("hello") + "\x00part", hixie("hello")}},
	{"/echo", []string{head75 + hixie("hello") + "\x00" + strings.Repeat("x", 100<<10), hixie("hello")}},
	{"/close", []string{head76 + key3, "101 "}},
	{"/refuse", []string{head76 + key3}},
	{"/refuse", []string{head75, "401"}},
	{"/echo", []string{strings.Replace(head76, "Key1", "Key3", 1), "400"}},
}

func (a abort) run(c *client) error {
	for i, step := range a.steps {
		if i%2 == 0 {
			if _, err := io.WriteString(c, strings.Replace(step, "/demo", a.path, 1)); err != nil {
				return err
			}
			continue
		}
		for seen := ""; !strings.HasSuffix(seen, step); {
			b, err := c.br.ReadByte()
			if err != nil {
				return err
			}
			seen += string([]byte{b})
		}
	}
	return nil
}

// serve is a backend that does what the path says.
func (b *backend) serve() {
	for c := range b.conns {
		go c.serve()
	}
}

func (b *backendConn) serve() {
	defer b.Close()
	if b.readRequest() != nil {
		return
	}
	switch b.request.URL.Path {
	case "/silent":
		io.Copy(io.Discard, b)
		return
	case "/refuse":
		io.WriteString(b, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nno!\n")
		return
	case "/close":
		io.WriteString(b, b.switching()+bye(1000))
		return
	}
	if _, err := io.WriteString(b, b.switching()); err != nil {
		return
	}
	for {
		frame, err := b.readFrame()
		if err != nil {
			return
		}
		if _, err := io.WriteString(b, frame); err != nil || frame[0] == 0x88 {
			return
		}
	}
}

// Clients leave at every stage, in the two ways that TCP knows. Nothing of them
// stays.
func TestAbortedConnectionsLeaveNothing(t *testing.T) {
	n := 10_000
	if testing.Short() || underRace() {
		n = 2000
	}
	r := newRig(t)
	go r.backend.serve()
	files, goroutines := wiretest.Descriptors(t), runtime.NumGoroutine()
	work := make(chan int)
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for i := range work {
				r.abort(aborts[i%len(aborts)], i/len(aborts)%2 == 0)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	workers.Wait()
	files, goroutines = files+2*runtime.GOMAXPROCS(0), goroutines+runtime.GOMAXPROCS(0) // the loops of the Poller
	eventually(t, func() bool {
		return wiretest.Descriptors(t) <= files && runtime.NumGoroutine() <= goroutines && len(r.gw.Stats().Open) == 0
	}, func() any {
		return []any{"descriptors, goroutines:", wiretest.Descriptors(t), runtime.NumGoroutine(), "want", files, goroutines, running()}
	})
	s := r.gw.Stats()
	var opened, closed, refused int64
	for _, count := range s.Opened {
		opened += count
	}
	for _, count := range s.Closed {
		closed += count
	}
	for _, count := range s.Refused {
		refused += count
	}
	if len(s.Open) != 0 || opened != closed || opened < int64(n/len(aborts)*5) {
		t.Errorf("open %v, %d opened, %d closed", s.Open, opened, closed)
	}
	if all := int64(n - n/len(aborts)*2); opened+refused < all-2 || opened+refused > all+2 {
		t.Errorf("%d opened and %d refused, want about %d together", opened, refused, all)
	}
	for _, d := range both {
		if s.Closed[translate.Closed{Dialect: d, By: translate.ByClient, Reason: translate.ClientCut}] == 0 {
			t.Errorf("-%s: nobody was cut: %v", d, s.Closed)
		}
	}
	if s.Refused[translate.Refused{Dialect: legacy.Hixie76, Reason: "key3-missing"}] == 0 {
		t.Errorf("no key3 was missed: %v", s.Refused)
	}
}

func (r *rig) abort(a abort, rst bool) {
	c, err := r.connect()
	if err != nil {
		r.Error(err)
		return
	}
	if err := a.run(c); err != nil {
		r.Errorf("%s, %.20q: %v", a.path, a.steps, err)
	}
	if rst {
		reset(c.TCPConn)
	} else {
		c.Close()
	}
}
