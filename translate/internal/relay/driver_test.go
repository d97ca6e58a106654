package relay

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/wiretest"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// TestMain lets more tests run at a time than there are processors: most of them wait.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // go test -parallel overrides it
	code := m.Run()
	if n := hogs.Load(); n != 0 {
		fmt.Fprintf(os.Stderr, "%d flows are still said to carry without a wait\n", n)
		code = 1
	}
	os.Exit(code)
}

// A driver is a way to run the flows of a Pair, over connections of one kind. All keep
// the contract, which is the tests of contract_test.go.
type driver struct {
	name string
	set  func(*Config) // chooses it
	dial func(t testing.TB, write time.Duration) (near net.Conn, far far)
	// holds is about how many bytes a connection takes whose other end does not read.
	holds int
	// sockets says that what is on its way is counted, that there is urgent data, and that
	// it is known whether a write stalls.
	sockets bool
}

// A far is the end of a connection that a test plays.
type far interface {
	net.Conn
	CloseWrite() error
}

var drivers = []driver{
	{name: "poller", set: func(c *Config) { crowded(c.Poller) }, dial: dialTCP, holds: 4 << 20, sockets: true},
	{name: "poller-later", set: func(*Config) {}, dial: dialTCP, holds: 4 << 20, sockets: true},
	{name: "goroutines-sockets", set: func(c *Config) { c.Poller = nil }, dial: dialTCP, holds: 4 << 20, sockets: true},
	{name: "goroutines-tls", set: func(*Config) {}, dial: dialTLS, holds: 4 << 20},
	{name: "goroutines-memory", set: func(*Config) {}, dial: dialMemory, holds: wiretest.Size},
}

func dialTCP(t testing.TB, _ time.Duration) (net.Conn, far) { return wiretest.TCP(t) }

func dialMemory(testing.TB, time.Duration) (net.Conn, far) {
	near, far := wiretest.New()
	far.Acknowledge(-wiretest.Size) // nothing before it is read
	return near, far
}

func dialTLS(t testing.TB, write time.Duration) (net.Conn, far) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	near, far := wiretest.TCP(t)
	secure := tls.Server(sockets.New(near, write), &tls.Config{Certificates: server.TLS.Certificates})
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	if err := errors.Join(secure.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return secure, client
}

// The timeouts of the contract's tests.
const (
	writeTimeout   = 400 * time.Millisecond
	closeTimeout   = 300 * time.Millisecond
	patientTimeout = 3 * time.Second // of writes; see patiently
)

// joined is a Pair and the far ends of its two connections.
type joined struct {
	testing.TB
	*script
	driver
	pair            *Pair
	client, backend far
	poller          *Poller
}

// run runs a test. When it is over nothing may be left.
func (d driver) run(t *testing.T, s *script, test func(j *joined)) {
	write := writeTimeout
	if s.patient {
		write = patientTimeout
	}
	nearClient, client := d.dial(t, write)
	nearBackend, backend := d.dial(t, write)
	j := &joined{TB: t, script: s, driver: d, client: client, backend: backend, poller: new(Poller)}
	j.closed = make(chan struct{})
	config := &Config{Write: write, Close: closeTimeout, Poller: j.poller}
	d.set(config)
	j.pair = new(Pair)
	j.pair.Join(config, j.script, Leg{Conn: nearClient}, Leg{Conn: nearBackend})
	deadline := time.Now().Add(time.Minute)
	client.SetDeadline(deadline)
	backend.SetDeadline(deadline)
	j.pair.Start()
	test(j)
	client.Close()
	backend.Close()
	j.over()
	polledIs(t, j.poller, 0)
	j.poller.Close()
	for side, near := range []net.Conn{nearClient, nearBackend} {
		for name, conn := range map[string]net.Conn{"first": near, "own": j.pair.sockets[side].conn} {
			if _, err := sockets.Innermost(conn).Write([]byte("x")); !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
				t.Errorf("the %s connection of side %d is open: %v", name, side, err)
			}
		}
	}
}

func (j *joined) over() {
	j.Helper()
	select {
	case <-j.closed:
	case <-time.After(time.Minute):
		j.Fatalf("not closed after %v", j.events)
	}
}

// suspends waits until a side takes nothing any more, so that the flow to it stands still.
func (j *joined) suspends(to Side) {
	const still = 20 // looks in a row at which nothing has changed
	flow := &j.pair.flows[to.other()]
	for same, last := 0, int64(-1); same < still; time.Sleep(5 * time.Millisecond) {
		if now := flow.reads.Load(); now == last && flow.held.Load() > 0 {
			same++
		} else {
			same, last = 0, now
		}
		select {
		case <-j.closed:
			j.Fatalf("the pair has ended: %v", j.events)
		default:
		}
	}
}

// owned reports whether both flows have such an owner.
func (j *joined) owned(by uint32) bool {
	return j.pair.flows[Client].owner.Load() == by && j.pair.flows[Backend].owner.Load() == by
}

// late has the Pair hear of all that do does only when it is done.
func (j *joined) late(do func()) {
	if l := j.pair.loop; l != nil {
		holdLoop(l, do)
		return
	}
	j.pair.sockets[Client].base.Raw().Control(func(uintptr) { do() })
}

func say(conn net.Conn, s string) { io.WriteString(conn, s) }

func (j *joined) get(conn net.Conn, want string) {
	j.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		j.Fatalf("got %.100q, %v, want %.100q", got[:n], err, want)
	}
}

// all fails unless exactly this is still to come, and then the end of TCP.
func (j *joined) all(conn net.Conn, want string) {
	j.Helper()
	if got, err := io.ReadAll(conn); err != nil || string(got) != want {
		j.Errorf("got %.100q (%d bytes), %v, want %.100q (%d bytes)", got, len(got), err, want, len(want))
	}
}

// talk has so many messages pass, each behind the answer to the one before.
func (j *joined) talk(n int) {
	j.Helper()
	for range n {
		say(j.client, "ping\n")
		j.get(j.backend, "ping\n")
		say(j.backend, "pong\n")
		j.get(j.client, "pong\n")
	}
}

// reset ends a connection without an end of TCP.
func reset(conn net.Conn) {
	switch c := sockets.Innermost(conn).(type) {
	case *net.TCPConn:
		c.SetLinger(0)
		c.Close()
	case *wiretest.Wire:
		c.Reset()
	}
}

// small has the kernel hold little for a side that does not read.
func small(conn net.Conn) {
	if c, ok := sockets.Innermost(conn).(*net.TCPConn); ok {
		c.SetReadBuffer(64 << 10)
	}
}

// large has the kernel take much that is not read.
func large(conn net.Conn) {
	if c, ok := sockets.Innermost(conn).(*net.TCPConn); ok {
		c.SetWriteBuffer(4 << 20)
	}
}

func plain() *script   { return &script{} }
func inLines() *script { return &script{up: &lines{}, down: &lines{}} }

// patiently is a script for a test that waits until nothing moves, with a longer write
// timeout. On a busy machine the short one was over before that was seen, and the test waited
// for ever.
func patiently(of func() *script) func() *script {
	return func() *script {
		s := of()
		s.patient = true
		return s
	}
}
