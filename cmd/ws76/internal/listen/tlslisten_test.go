package listen

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// The gateway sees that it is TLS which it closes. What broke: a client that took
// nothing was held five seconds longer than the close timeout.
func TestTLSConnUnwraps(t *testing.T) {
	inner := tls.Server(nil, nil)
	var conn net.Conn = &tlsConn{Conn: inner}
	wrapped, ok := conn.(interface{ Unwrap() (net.Conn, []byte) })
	if !ok {
		t.Fatal("no Unwrap")
	}
	if got, unread := wrapped.Unwrap(); got != inner || unread != nil {
		t.Errorf("got %T and %q", got, unread)
	}
}

// A handshake that the gateway's own end cut is no failure of the client. A drain
// logged one for each client that had just sent its ClientHello.
func TestOwnEndIsNoFailure(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := &tlsListener{Listener: ln, config: &tls.Config{}, failed: new(atomic.Int64), logger: hclog.NewNullLogger()}
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn := accepted.(*tlsConn)
	over := make(chan struct{})
	go func() { conn.Read(nil); close(over) }()
	client.Write([]byte("\x16\x03\x01")) // of a ClientHello
	for !conn.spoke.received.Load() {
		time.Sleep(time.Millisecond)
	}
	conn.NetConn().Close()
	<-over
	if n := l.failed.Load(); n != 0 {
		t.Errorf("%d failures", n)
	}
}
