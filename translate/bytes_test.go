package translate_test

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// A comparison is a connection whose sides say much, in pieces and with delays, of which
// one may end early. What arrives is what was said, or the begin of it.
type comparison struct {
	testing.TB
	rnd      *rand.Rand
	up, down []string
	early    string // who ends early
}

var comparisonSizes = []int{0, 1, 125, 126, 4095, 4097, 65_535, 65_536, 100_000}

func newComparison(t testing.TB, seed uint64) *comparison {
	c := &comparison{TB: t, rnd: rand.New(rand.NewPCG(seed, 76)), early: []string{"", "", "", "client-rst", "client-fin", "backend-rst"}[seed%6]}
	for range 20 {
		c.up = append(c.up, noise(comparisonSizes[c.rnd.IntN(len(comparisonSizes))]))
		c.down = append(c.down, noise(comparisonSizes[c.rnd.IntN(len(comparisonSizes))]))
	}
	return c
}

// send writes in pieces, and perhaps not to the end.
func (c *comparison) send(conn *net.TCPConn, all string, seed uint64, early string) {
	rnd := rand.New(rand.NewPCG(seed, 77))
	if early != "" {
		all = all[:rnd.IntN(len(all))]
	}
	for len(all) > 0 {
		n := min(len(all), 1+rnd.IntN(50_000))
		if _, err := io.WriteString(conn, all[:n]); err != nil {
			return
		}
		all = all[n:]
		time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond) // the sender's own slowness
	}
	switch {
	case strings.HasSuffix(early, "rst"):
		reset(conn)
	case early != "":
		conn.CloseWrite()
	}
}

// wire is messages as a side sends or gets them.
func wire(messages []string, frame func(string) string) string {
	var all strings.Builder
	for _, m := range messages {
		all.WriteString(frame(m))
	}
	return all.String()
}

// received reads messages of frames, with an FF behind each, until there are that many
// bytes of it or the end comes.
func (b *backendConn) received(want int) string {
	var got strings.Builder
	for got.Len() < want {
		frame, err := b.readFrame()
		if err != nil || frame[0]&0x0f > 2 {
			break
		}
		if got.WriteString(payload(frame)); frame[0]&0x80 != 0 {
			got.WriteByte(0xff)
		}
	}
	return got.String()
}

func (c *comparison) run(client *client, b *backendConn, seed uint64) {
	by := func(side string) string {
		if strings.HasPrefix(c.early, side) {
			return c.early
		}
		return ""
	}
	wantUp := wire(c.up, func(m string) string { return m + "\xff" })
	wantDown := wire(c.down, hixie)
	var up string
	var all sync.WaitGroup
	all.Go(func() { c.send(client.TCPConn, wire(c.up, hixie), seed, by("client")) })
	all.Go(func() { c.send(b.TCPConn, wire(c.down, text), seed+1, by("backend")) })
	all.Go(func() { up = b.received(len(wantUp)) })
	down := make([]byte, len(wantDown))
	n, _ := io.ReadFull(client.br, down)
	if c.early != "" {
		client.CloseWrite()
	}
	all.Wait()
	client.Close()
	b.Close()
	got := strings.TrimSuffix(string(down[:n]), "\xff\x00") // where the end comes early
	if c.early == "" && (up != wantUp || got != wantDown) || !strings.HasPrefix(wantUp, up) || !strings.HasPrefix(wantDown, got) {
		c.Errorf("%d, %q: %d of %d bytes came up, %d of %d down", seed, c.early, len(up), len(wantUp), len(got), len(wantDown))
	}
}

// Whatever the pieces, the delays and the ends, no byte is another one.
func TestNoByteIsWrong(t *testing.T) {
	t.Parallel()
	connections := uint64(120)
	if underRace() {
		connections = 30
	}
	r := newRig(t)
	var all sync.WaitGroup
	for seed := range connections {
		client, b := r.open([]legacy.Dialect{legacy.Hixie76, legacy.Hixie75}[seed/6%2])
		all.Go(func() { newComparison(t, seed).run(client, b, seed) })
	}
	all.Wait()
}
