package relay

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/translate/wiretest"

	"github.com/ws76/ws76/translate/internal/sockets"
)

// inMemory joins two connections in memory, of which the client's may have TLS.
func inMemory(t *testing.T, s *script, config Config, wrap func(net.Conn) net.Conn) (p *Pair, client, backend *wiretest.Wire) {
	t.Helper()
	nearClient, client := wiretest.New()
	nearBackend, backend := wiretest.New()
	s.closed = make(chan struct{})
	config.Poller = new(Poller)
	p = new(Pair)
	p.Join(&config, s, Leg{Conn: wrap(sockets.New(nearClient, config.Write))}, Leg{Conn: nearBackend})
	p.Start()
	return p, client, backend
}

// TLS gives its last record five seconds more than any limit, so it is not asked for it
// where the other side takes nothing.
func TestEndOfTLS(t *testing.T) {
	const write, closing = 7 * time.Second, 3 * time.Second
	server := httptest.NewTLSServer(nil)
	server.Close()
	for _, test := range []struct {
		id   string
		act  func(p *Pair, backend *wiretest.Wire)
		want time.Duration
	}{
		{"a write timed out", func(_ *Pair, backend *wiretest.Wire) {
			go backend.Write([]byte(strings.Repeat("more than it takes\n", 2*wiretest.Size/19)))
		}, write},
		{"the last words are not taken", func(p *Pair, _ *wiretest.Wire) {
			sockets.Innermost(p.sockets[Client].conn).(*wiretest.Wire).Fill(wiretest.Size)
			p.Shutdown()
		}, write},
		{"cut", func(p *Pair, _ *wiretest.Wire) {
			sockets.Innermost(p.sockets[Client].conn).(*wiretest.Wire).Fill(wiretest.Size)
			p.Shutdown()
			p.Cut()
		}, 0},
	} {
		t.Run(test.id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inLines()
				p, client, backend := inMemory(t, s, Config{Write: write, Close: closing}, func(conn net.Conn) net.Conn {
					return tls.Server(conn, &tls.Config{Certificates: server.TLS.Certificates})
				})
				secure := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
				if err := secure.Handshake(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				began := time.Now()
				test.act(p, backend)
				synctest.Wait()
				time.Sleep(test.want)
				backend.CloseWrite()
				<-s.closed
				if got := time.Since(began); got < test.want || got > test.want+closing {
					t.Errorf("it took %v, want %v", got, test.want)
				}
				if !client.Ended() {
					t.Error("the client's connection is open")
				}
			})
		})
	}
}

// A flow that waits holds no buffer, and of an unfinished message what there is of it, after
// a second at the latest where it cannot ask whether there is more, as with TLS. There it
// held 64 KiB for as long as nothing came.
func TestWaitingIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inLines()
		p, client, backend := inMemory(t, s, Config{Write: time.Minute, Close: time.Second}, func(conn net.Conn) net.Conn { return conn })
		check := func(when string, most int) {
			t.Helper()
			synctest.Wait()
			for side := range p.flows {
				if f := &p.flows[side]; f.in != nil || f.out != nil || cap(f.rest) > most {
					t.Errorf("%s: side %d holds %v, %v and %d bytes", when, side, f.in != nil, f.out != nil, cap(f.rest))
				}
			}
		}
		check("at the begin", 0)
		for _, size := range []int{1, keptRest, maxRest, 2 * readSize} {
			text := strings.Repeat("x", size)
			client.Write([]byte(text))
			time.Sleep(2 * quietFor)
			check("inside a message", 2*maxRest)
			client.Write([]byte("\n"))
			check("behind a message", 2*keptRest)
			if got := backend.TakeAll(); got != text+"\n" {
				t.Errorf("got %d bytes, want %d", len(got), size+1)
			}
		}
		client.CloseWrite()
		backend.CloseWrite()
		<-s.closed
	})
}

// A connection that was closed before has no descriptor: 0 was taken for it.
func TestClosedBefore(t *testing.T) {
	nearClient, client := wiretest.TCP(t)
	nearBackend, backend := wiretest.TCP(t)
	nearClient.Close()
	s := inLines()
	s.closed = make(chan struct{})
	p := new(Pair)
	p.Join(&Config{Write: writeTimeout, Close: closeTimeout, Poller: new(Poller)}, s, Leg{Conn: nearClient}, Leg{Conn: nearBackend})
	if p.sockets[Client].bare {
		t.Error("it has a descriptor")
	}
	p.Start()
	client.Close()
	backend.Close()
	<-s.closed
}

// A telling codec calls tell when it is asked for its counts.
type telling struct {
	Codec
	tell atomic.Pointer[func()]
}

func (c *telling) Counts() (messages, bytes int64) {
	if tell := c.tell.Swap(nil); tell != nil {
		(*tell)()
	}
	return c.Codec.Counts()
}

// A side is busy until what it has taken is counted. A tick between the two saw neither, and
// a client that reads slowly was idle.
func TestBusyUntilCounted(t *testing.T) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := inLines()
			s.patient = true
			codec := &telling{Codec: s.up}
			s.up = codec
			d.run(t, s, func(j *joined) {
				text := j.beyond()
				go io.WriteString(j.client, text)
				j.suspends(Backend)
				tick := func() {
					j.pair.mu.Lock()
					j.pair.next = time.Now()
					j.pair.mu.Unlock()
					j.pair.tick()
				}
				codec.tell.Store(&tick)
				j.get(j.backend, text)
				if e := j.event(Tick, Client); e == nil || !e.Busy[Backend] {
					j.Errorf("the event is %+v, want a tick with a busy backend", e)
				}
			})
		})
	}
}

// Ticks that are far away come together with those of other Pairs, never too early.
func TestTicksComeTogether(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, test := range []struct{ wait, want time.Duration }{
		{25 * time.Second, 25 * time.Second},
		{25*time.Second + 1, 25*time.Second + 100*time.Millisecond},
		{25*time.Second + 99*time.Millisecond, 25*time.Second + 100*time.Millisecond},
		{25*time.Second + 100*time.Millisecond, 25*time.Second + 100*time.Millisecond},
		{4*time.Second + 1, 4*time.Second + 1},
		{0, 0},
		{-time.Second, -time.Second},
	} {
		if got := together(now.Add(test.wait), now).Sub(now); got != test.want {
			t.Errorf("a wait of %v lasts %v, want %v", test.wait, got, test.want)
		}
	}
	if !together(time.Time{}, now).IsZero() {
		t.Error("a Tick that is never due is")
	}

	synctest.Test(t, func(t *testing.T) {
		ticks := map[time.Time]bool{}
		var all []*script
		for range 3 {
			s := inLines()
			s.next = 25 * time.Second
			time.Sleep(7 * time.Millisecond)
			_, client, backend := inMemory(t, s, Config{Write: time.Minute, Close: time.Second}, func(conn net.Conn) net.Conn { return conn })
			all = append(all, s)
			time.AfterFunc(26*time.Second, func() {
				client.CloseWrite()
				backend.CloseWrite()
			})
		}
		for _, s := range all {
			<-s.closed
			ticks[s.event(Tick, Client).Now] = true
		}
		if len(ticks) != 1 {
			t.Errorf("the first Ticks of 3 Pairs come at %v", ticks)
		}
	})
}

// What the end waits for is what the kernel holds, what a flow holds that stalls, and at the
// gateway's own end what a side has sent that nobody has read.
func TestWhatIsOnItsWay(t *testing.T) {
	near, client := wiretest.TCP(t)
	nearBackend, backend := wiretest.TCP(t)
	p := new(Pair)
	p.Join(&Config{Write: writeTimeout, Close: closeTimeout}, inLines(), Leg{Conn: near}, Leg{Conn: nearBackend})
	client.Write([]byte("12345"))
	backend.Write([]byte("1234567"))
	for p.sockets[Client].received() < 5 || p.sockets[Backend].received() < 7 {
		time.Sleep(time.Millisecond)
	}
	p.flows[Client].held.Store(100)
	p.flows[Backend].held.Store(1000)
	for afterInput, want := range map[bool]int{false: 1100, true: 1112} {
		if p.begin(afterInput); p.closing.onItsWay != want {
			t.Errorf("%d bytes are on their way, want %d", p.closing.onItsWay, want)
		}
	}
	now := time.Now()
	p.closing.onItsWay = 1024
	p.fix(now, [2]int{2048, 4096})
	if got, want := p.closing.limit.Sub(now).Round(time.Millisecond), closeTimeout+7*time.Second; got != want {
		t.Errorf("the end may take %v, want %v", got, want)
	}
}
