package translate_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// bufferedListener has small buffers, so that a test's bytes make a reader slow.
type bufferedListener struct{ net.Listener }

func (l bufferedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		conn.(*net.TCPConn).SetWriteBuffer(8 << 10)
	}
	return conn, err
}

// A client that takes something all the time is served, however slow: a write is
// not complete within the write timeout, but it moves. It was cut off as client-slow.
func TestSlowButSteady(t *testing.T) {
	t.Parallel()
	const size = 72 << 10
	steady := func(o *translate.Options) { o.Timeouts.Write = 2 * time.Second }
	read := func(t *testing.T, r io.Reader) (n int) {
		for buf := make([]byte, 2<<10); ; time.Sleep(140 * time.Millisecond) { // the reader's own slowness
			m, err := r.Read(buf)
			if n += m; err != nil || n >= size {
				return n
			}
		}
	}
	rig := func(t *testing.T) *rig {
		r := newRigOn(t, bufferedListener{listen(t)}, steady)
		r.dialer.Control = shortSegments
		return r
	}
	var all sync.WaitGroup
	defer all.Wait()
	atOnce := func(name string, test func(t *testing.T)) { // not Parallel: they only sleep, and fill one slot
		all.Go(func() { t.Run(name, test) })
	}
	for _, d := range []legacy.Dialect{legacy.Hixie76, legacy.RFC6455} {
		atOnce(d.String(), func(t *testing.T) {
			r := rig(t)
			c, b := r.openAny(d)
			go io.WriteString(b, text(noise(size)))
			if n := read(t, c.br); n < size {
				t.Errorf("%d of %d bytes came; %v", n, size, r.gw.Stats().Closed)
			}
		})
	}
	for name, request := range map[string]string{"plain": "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "refusal": head13} {
		atOnce(name, func(t *testing.T) {
			r := rig(t)
			c := r.dial()
			c.say(request)
			b := r.backend.next()
			go fmt.Fprintf(b, "HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s", size, noise(size))
			if n := read(t, c.br); n < size {
				t.Errorf("%d of %d bytes came", n, size)
			}
		})
	}
}

// shortSegments has a client's kernel make room in small steps, as on a network: the
// segments of loopback are larger than the client's buffer.
func shortSegments(_, _ string, raw syscall.RawConn) (err error) {
	raw.Control(func(fd uintptr) {
		if err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1000); err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		}
	})
	return err
}
