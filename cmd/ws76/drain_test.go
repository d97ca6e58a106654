//go:build unix

package main

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// drained is how both ends see the end of a pair when the gateway drains: -76
// gets FF 00, -75 and tunnels the end of TCP; backends get Close 1001, but those
// of tunnels no Close.
func drained(d legacy.Dialect) (client string, code int) {
	switch d {
	case legacy.Hixie76:
		return "goodbye, end of TCP", websocket.CloseGoingAway
	case legacy.Hixie75:
		return "end of TCP", websocket.CloseGoingAway
	}
	return "end of TCP", websocket.CloseAbnormalClosure
}

// checkDrained compares the ends of pairs, which were all that there still were,
// the last line of the log, and the exit status.
func checkDrained(t *testing.T, g gateway, log summary, pairs []*pair, byThemselves int) {
	t.Helper()
	ends, wrong := map[legacy.Dialect]int{}, 0
	for _, p := range pairs {
		ends[p.dialect]++
		client, code := drained(p.dialect)
		if p.end == client && p.code == code && p.up.broken == nil && p.down.broken == nil {
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("%d, a client of %s, ended with %s, its backend with %d; want %s and %d; %v, %v",
				p.number, p.dialect, p.end, p.code, client, code, p.up.broken, p.down.broken)
		}
	}
	if n := log.closed["shutting-down"]; wrong > 0 || n != len(pairs) {
		t.Errorf("%d of %d pairs ended wrong; the log has these ends: %v", wrong, len(pairs), log.closed)
	}
	g.says(log.last, map[string]any{
		"@message": "drained", "connections": len(pairs) + byThemselves, "left": 0, "by_themselves": byThemselves,
		"closing_handshakes": ends[legacy.Hixie76], "tcp_ends": ends[legacy.Hixie75],
		"half_closes": ends[legacy.RFC6455] + ends[legacy.Hybi08],
	})
	if status := g.ended(); status != exitOK {
		t.Errorf("exit status %d, want %d", status, exitOK)
	}
}

// Thousands of connections of all dialects, with messages under way in both
// directions, are closed in their own words, and what either end had written
// before the signal arrives.
func TestDrainCrowd(t *testing.T) {
	const size = 2000
	requireDescriptors(t, 2*size+200)
	c, backend := newCrowd(t, size)
	g := startGateway(t, "WS76_BACKEND=http://"+backend, "WS76_DRAIN_TIMEOUT=1m", "WS76_CLOSE_TIMEOUT=30s")
	log := g.summarize()
	c.connect(t, g.listen, c.pairs...)
	silence := c.talk()
	for _, p := range c.pairs { // until all are in the middle of it
		eventually(t, "messages both ways", func() bool { return p.up.read.Load() > 1 && p.down.read.Load() > 1 })
	}

	up, down := make([]int64, size), make([]int64, size) // written before the signal
	for i, p := range c.pairs {
		up[i], down[i] = p.up.written.Load(), p.down.written.Load()
	}
	terminate(t, g)
	c.over()
	silence()
	checkDrained(t, g, <-log, c.pairs, 0)
	var lostUp, lostDown int64
	for i, p := range c.pairs {
		lostUp += max(0, up[i]-p.up.read.Load())
		lostDown += max(0, down[i]-p.down.read.Load())
	}
	if lostUp > 0 || lostDown > 0 {
		t.Errorf("%d messages up and %d down were written before the signal and did not arrive", lostUp, lostDown)
	}
}

// While balancers have time to notice, /readyz fails and clients are served as
// before, new ones too. Those that leave by then are counted apart.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	const size = 16
	c, backend := newCrowd(t, size)
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+backend, "WS76_DRAIN_DELAY=4s")
	log := g.summarize()
	late, leaver := c.pairs[0], c.pairs[1]
	c.connect(t, g.listen, c.pairs[1:]...)
	awaitReady(t, admin, http.StatusOK)
	terminate(t, g)
	awaitReady(t, admin, http.StatusServiceUnavailable)

	c.connect(t, g.listen, late)
	for _, p := range c.pairs {
		if !p.up.write(p.client.say) || !p.down.write(p.reply) {
			t.Errorf("%d, a client of %s: a message could not be sent", p.number, p.dialect)
		}
	}
	leaver.client.goodbye()
	c.over()
	checkDrained(t, g, <-log, append(c.pairs[2:], late), 1)
	if leaver.code != websocket.CloseNormalClosure {
		t.Errorf("the backend of the client that left got Close %d", leaver.code)
	}
	for _, p := range c.pairs {
		if up, down := p.up.read.Load(), p.down.read.Load(); up != 1 || down != 1 && p != leaver {
			t.Errorf("%d, a client of %s: %d messages up and %d down arrived, want one each", p.number, p.dialect, up, down)
		}
	}
}

// A summary is what a log says of many connections.
type summary struct {
	closed map[string]int // by reason
	last   map[string]any // line
}

// summarize reads the log to its end.
func (g gateway) summarize() <-chan summary {
	s, done := summary{closed: map[string]int{}}, make(chan summary, 1)
	go func() {
		for line := range g.lines {
			if s.last = fields(line); s.last["@message"] == "connection closed" {
				s.closed[fmt.Sprint(s.last["reason"])]++
			}
		}
		done <- s
	}()
	return done
}

// requireDescriptors is for tests that open many; Go has raised the limit as
// far as it may.
func requireDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) < n {
		missing(t, "%d descriptors are needed, allowed are %d, %v", n, limit.Cur, err)
	}
}
