//go:build unix

package translate

import (
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// bridgeOf joins a client of -75 and a backend, in real time.
func bridgeOf(client, backend net.Conn, o Options) *bridge {
	b := newBridgeOf(client, backend, o)
	b.start()
	return b
}

func newBridgeOf(client, backend net.Conn, o Options) *bridge {
	g := New(o)
	g.enter(netip.Prefix{})
	opening := &translated{Handshake: &legacy.Handshake{Dialect: legacy.Hixie75}, gw: g}
	b := newBridge(g, opening, client, nil, &modern.Backend{Conn: backend})
	g.opened(b, httptest.NewRequest("GET", "/", nil), 0)
	return b
}

// tcpPair is the two ends of a connection.
func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

// socketPair is the two ends of a connection that takes 128 KiB at once.
func socketPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socketpair")
		defer file.Close()
		if ends[i], err = net.FileConn(file); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ends[i].Close() })
	}
	return ends[0], ends[1]
}

// A source that never pauses never waits, so that no deadline could end it. The
// goodbye is said in time all the same: here between two reads, of which the
// second would find more.
func TestEndOfASourceThatNeverPauses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		left  time.Duration
		reads int64
	}{
		{"the goodbye is due", 9 * time.Second, 2},
		{"the end is due", -time.Second, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nearClient, client := socketPair(t)
			nearBackend, backend := tcpPair(t)
			message := make([]byte, readSize+100)
			message[len(message)-1] = 0xff
			if _, err := client.Write(message); err != nil {
				t.Fatal(err)
			}
			client.(*net.UnixConn).CloseWrite()
			b := newBridgeOf(nearClient, nearBackend, Options{Timeouts: Timeouts{Close: 20 * time.Second}})
			b.end(endFor(ByGateway, ShuttingDown, nil))
			limit := time.Now().Add(tt.left)
			b.client.limit.Store(&limit)
			b.up.step(b.client.fd)
			if n := b.up.reads.Load(); n != tt.reads {
				t.Errorf("%d reads, want %d", n, tt.reads)
			}
			b.up.farewell()
			b.up.drop()
			b.backend.close()
			got, err := io.ReadAll(backend)
			if err != nil {
				t.Fatal(err)
			}
			data, last := 0, modern.Continuation
			for len(got) > 0 {
				h, _ := modern.ParseHeader(got)
				if last = h.Opcode; last != modern.Close {
					data += int(h.Length)
				}
				got = got[h.Size+int(h.Length):]
			}
			if data != readSize-1 || last != modern.Close {
				t.Errorf("the backend got %d bytes and last a frame of opcode %d, want %d and a Close frame", data, last, readSize-1)
			}
		})
	}
}

// What is in the sockets at the gateway's own end arrives before its goodbye.
// It was read and dropped.
func TestLastCallOfSockets(t *testing.T) {
	nearClient, client := tcpPair(t)
	nearBackend, backend := tcpPair(t)
	io.WriteString(client, hello)
	io.WriteString(backend, helloUp)
	b := newBridgeOf(nearClient, nearBackend, Options{})
	b.end(endFor(ByGateway, ShuttingDown, nil))
	b.start()
	if got, err := io.ReadAll(client); string(got) != hello || err != nil {
		t.Errorf("the client got %q, %v", got, err)
	}
	client.Close()
	wantUp, key := []string{helloUp, closed1001}, len(modern.Key{})
	got := make([]byte, len(helloUp)+len(closed1001)+2*key)
	if _, err := io.ReadFull(backend, got); err != nil {
		t.Fatalf("the backend got %q, %v", got, err)
	}
	for _, want := range wantUp {
		h, _ := modern.ParseHeader(got)
		payload := got[h.Size : h.Size+int(h.Length)]
		modern.Mask(payload, payload, h.Key)
		if string(payload) != want[2:] || h.Opcode != modern.Opcode(want[0]&0x0f) {
			t.Errorf("the backend got opcode %d with %q, want %q", h.Opcode, payload, want)
		}
		got = got[h.Size+int(h.Length):]
	}
}

// What a backend says is a sign of life, of which there is one for each read.
func TestReadsAreCounted(t *testing.T) {
	near, far := tcpPair(t)
	client, end := newWire()
	b := bridgeOf(end, near, Options{})
	for i := range int64(3) {
		io.WriteString(far, helloUp)
		if _, err := io.ReadFull(client, make([]byte, len(hello))); err != nil {
			t.Fatal(err)
		}
		if n := b.down.reads.Load(); n != i+1 {
			t.Errorf("%d reads after %d messages", n, i+1)
		}
	}
	client.CloseWrite()
}

// A connection that was closed before has no descriptor: 0 was taken for it.
func TestPeerOfAClosedConnection(t *testing.T) {
	near, _ := tcpPair(t)
	near.Close()
	var p peer
	p.init(near, time.Second)
	if err := p.write([]byte("Hello"), false); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v, want %v", err, net.ErrClosed)
	}
}
