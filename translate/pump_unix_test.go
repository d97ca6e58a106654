//go:build unix

package translate

import (
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A zeros is a connection whose other side never pauses: its socket is
// /dev/zero, where 00 begins a message that has no end.
type zeros struct {
	*wire
	file *os.File
}

func (z zeros) SyscallConn() (syscall.RawConn, error) { return z.file.SyscallConn() }

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

// A source that never pauses never waits, so that no deadline could end it. The
// goodbye is said in time all the same.
func TestEndOfASourceThatNeverPauses(t *testing.T) {
	file, err := os.OpenFile("/dev/zero", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, client := newWire()
	far, backend := newWire()
	last := make(chan string)
	go func() {
		var tail []byte
		for block := make([]byte, bufferSize); ; {
			n, err := far.Read(block)
			if tail = append(tail, block[:n]...); len(tail) > 8 {
				tail = tail[len(tail)-8:]
			}
			if err != nil {
				last <- string(tail)
				return
			}
		}
	}()
	b := bridgeOf(zeros{client, file}, backend, Options{Timeouts: Timeouts{Close: 2 * time.Second}})
	b.end(endFor(ByGateway, Idle, nil))
	far.CloseWrite()
	if got := <-last; !strings.HasPrefix(got, "\x88\x82") {
		t.Errorf("the last that the backend got is %q, want a Close frame", got)
	}
	for deadline := time.Now().Add(20 * time.Second); b.gw.Stats().Open[legacy.Hixie75] > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still read")
		}
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
