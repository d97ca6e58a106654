package translate

import (
	"io"
	"testing"
	"testing/synctest"
)

// A connection is settled when it is read and nothing comes; what comes before a
// request is no answer.
func TestAskedConn(t *testing.T) {
	for id, test := range map[string]struct {
		request bool
		want    string
		err     error
	}{"asked": {true, "x", nil}, "not asked": {false, "", errUnasked}} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := newWire()
				conn := newAskedConn(netWire{near})
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
					io.WriteString(conn, "GET")
				}
				io.WriteString(far, "x")
				<-read
				if string(p[:n]) != test.want || err != test.err {
					t.Errorf("got %q, %v, want %q, %v", p[:n], err, test.want, test.err)
				}
				go conn.settle()
				synctest.Wait()
				conn.Close() // or the settling would go on
			})
		})
	}
}
