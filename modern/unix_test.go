package modern_test

import (
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/ws76/ws76/modern"
)

func TestDialUnixSocket(t *testing.T) {
	eachWay(t, func(t *testing.T, open way) {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			io.WriteString(conn, accepting(answer101+"rest", readHead(conn)))
		}()
		b := mustOpen(t, open, &modern.Dialer{Address: "unix:" + path}, modern.Request{Host: "localhost", Target: "/"})
		if got := remainder(t, b); got != "rest" {
			t.Errorf("behind the head: %q", got)
		}
	})
}
