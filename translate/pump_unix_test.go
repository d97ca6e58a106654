//go:build unix

package translate

import (
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

// A zeros is a connection whose other side never pauses: its socket is
// /dev/zero, where 00 begins a message that has no end.
type zeros struct {
	*wire
	file *os.File
}

func (z zeros) SyscallConn() (syscall.RawConn, error) { return z.file.SyscallConn() }

// bridgeOf joins a client of -75 and a backend, in real time.
func bridgeOf(client, backend net.Conn, o Options) *bridge {
	g := New(o)
	g.enter(netip.Prefix{})
	opening := &translated{Handshake: &legacy.Handshake{Dialect: legacy.Hixie75}, gw: g}
	b := newBridge(g, opening, client, nil, &modern.Backend{Conn: backend})
	g.opened(b, httptest.NewRequest("GET", "/", nil), 0)
	b.start()
	return b
}

// A source that never pauses never waits, so that no deadline could end it.
func TestEndOfASourceThatNeverPauses(t *testing.T) {
	file, err := os.OpenFile("/dev/zero", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, client := newWire()
	far, backend := newWire()
	go io.Copy(io.Discard, far)
	b := bridgeOf(zeros{client, file}, backend, Options{Timeouts: Timeouts{Close: 50 * time.Millisecond}})
	b.end(endFor(ByGateway, Idle, nil))
	far.CloseWrite()
	for deadline := time.Now().Add(20 * time.Second); b.gw.Stats().Open[legacy.Hixie75] > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still read")
		}
	}
}

// What a backend says is a sign of life, of which there is one for each read.
func TestReadsAreCounted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
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
