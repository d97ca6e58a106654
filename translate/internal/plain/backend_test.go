package plain

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
)

// A connection is settled when it is read and nothing comes; what comes before a request
// is no response.
func TestSettle(t *testing.T) {
	for id, test := range map[string]struct {
		request bool
		want    string
		err     error
	}{"asked": {true, "x", nil}, "not asked": {false, "", errUnasked}} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				conn := newBackendConn(near, func() {})
				if conn.wasAsked() || conn.silentAgain() {
					t.Error("a new connection has been used")
				}
				settled := make(chan struct{})
				go func() { conn.settle(); close(settled) }()
				synctest.Wait()
				select {
				case <-settled:
					t.Error("a connection is settled that nobody reads")
				default:
				}
				read := make(chan struct{})
				p := make([]byte, 9)
				var n int
				var err error
				go func() { n, err = conn.Read(p); close(read) }()
				<-settled
				if test.request {
					go io.CopyN(io.Discard, far, 3)
					io.WriteString(conn, "GET")
				}
				if !conn.silentAgain() || conn.wasAsked() != test.request {
					t.Errorf("silent %t, asked %t", conn.silentAgain(), conn.wasAsked())
				}
				io.WriteString(far, "x")
				<-read
				if string(p[:n]) != test.want || err != test.err {
					t.Errorf("got %q, %v, want %q, %v", p[:n], err, test.want, test.err)
				}
				if conn.silentAgain() == test.request {
					t.Errorf("after it, silent: %t", conn.silentAgain())
				}
				go conn.settle()
				synctest.Wait()
				conn.Close() // or the settling would go on
			})
		})
	}
}

// A kept connection is not used for a request before the Transport has looked at what it
// had read: here a response with surplus bytes, of which it has not.
func TestBeginSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		c := &client{proxy: New(Config{}), backend: newBackendConn(near, func() {})}
		begun := make(chan struct{})
		go func() {
			c.begin(requestOf("GET"))
			close(begun)
		}()
		synctest.Wait()
		select {
		case <-begun:
			t.Error("the request goes on to a connection that nobody reads")
		default:
		}
		c.backend.Close()
		<-begun
	})
}
