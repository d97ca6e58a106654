package check

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/wiretest"
)

// device is a server that speaks one dialect only and repeats what it is told. change,
// if set, spoils its response.
func device(t *testing.T, d legacy.Dialect, change func([]byte) []byte) string {
	t.Helper()
	return wiretest.Serve(t, func(conn net.Conn) { serveDevice(conn, d, change) })
}

// spoiled is a connection whose first write is changed.
type spoiled struct {
	net.Conn
	change func([]byte) []byte
}

func (s *spoiled) Write(p []byte) (int, error) {
	s.Conn.Write(s.change(bytes.Clone(p)))
	return len(p), nil
}

func serveDevice(conn net.Conn, d legacy.Dialect, change func([]byte) []byte) {
	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	got, err := legacy.Detect(r)
	if got != d || err != nil {
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		return
	}
	if d == legacy.Hixie76 {
		br.Peek(8) // so that head and challenge response are one write
	}
	hs, err := legacy.NewHandshake(r, d, nil)
	if err != nil {
		return
	}
	out := conn
	if change != nil {
		out = &spoiled{conn, change}
	}
	if hs.Accept(out, br, legacy.ResponseFields{Location: legacy.Location(false, r.Host, hs.Resource)}, time.Second) == nil {
		io.Copy(conn, br)
	}
}

func TestBackendDialect(t *testing.T) {
	swap := func(p []byte) []byte {
		for i := len(p) - 16; i < len(p); i += 4 {
			slices.Reverse(p[i : i+4])
		}
		return p
	}
	for _, tt := range []struct {
		name     string
		speaks   legacy.Dialect
		change   func([]byte) []byte
		set      legacy.Dialect
		lax      bool
		says     string
		complain string
	}{
		{"76", legacy.Hixie76, nil, legacy.Hixie76, false, "ok: it answered with 5 bytes of text: \"hello\"\n", ""},
		{"75", legacy.Hixie75, nil, legacy.Hixie75, false, "ok: / opens a WebSocket of -75\n", ""},
		{"76 unset", legacy.Hixie76, nil, legacy.RFC6455, false, "", "the backend opens / with -76, not with -13: set WS76_BACKEND_DIALECT=76"},
		{"75 unset", legacy.Hixie75, nil, legacy.RFC6455, false, "", "set WS76_BACKEND_DIALECT=75"},
		{"75 for 76", legacy.Hixie75, nil, legacy.Hixie76, false, "", "set WS76_BACKEND_DIALECT=75"},
		{"slip", legacy.Hixie76, swap, legacy.Hixie76, false, "", "set WS76_BACKEND_LAX=on, for its slips (byte order of the challenge response)"},
		{"slip lax", legacy.Hixie76, swap, legacy.Hixie76, true, "ok: / opens a WebSocket of -76\n", ""},
		{"slip unset", legacy.Hixie76, swap, legacy.RFC6455, false, "", "set WS76_BACKEND_DIALECT=76, and WS76_BACKEND_LAX=on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := Backend{Dialer: modern.Dialer{Address: device(t, tt.speaks, tt.change)}, Dialect: tt.set, Lax: tt.lax, Timeout: time.Minute}
			var out strings.Builder
			err := b.Check(t.Context(), "", "hello", &out)
			switch {
			case tt.complain == "":
				if err != nil || !strings.Contains(out.String(), tt.says) {
					t.Errorf("it says %q, %v, want %q", out.String(), err, tt.says)
				}
			case err == nil || !strings.Contains(err.Error(), tt.complain):
				t.Errorf("it complains of %v, want %q", err, tt.complain)
			}
		})
	}
}

// A server of -76 waits for key3 whatever its client is, so that each opening handshake
// needs a time of its own: before, the first one used up all of it.
func TestDialectOfServerThatWaitsForKey3(t *testing.T) {
	address := wiretest.Serve(t, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		head, err := legacy.ReadHead(br)
		if key3, _ := br.Peek(8); err != nil || len(key3) < 8 {
			return
		}
		serveDevice(&readAgain{conn, io.MultiReader(bytes.NewReader(head), br)}, legacy.Hixie76, nil)
	})
	b := Backend{Dialer: modern.Dialer{Address: address}, Dialect: legacy.RFC6455, Timeout: time.Second}
	const want = "set WS76_BACKEND_DIALECT=76"
	if err := b.Check(t.Context(), "", "", io.Discard); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("it complains of %v, want %q", err, want)
	}
}

// readAgain is a connection whose beginning has been read already.
type readAgain struct {
	net.Conn
	r io.Reader
}

func (c *readAgain) Read(p []byte) (int, error) { return c.r.Read(p) }
