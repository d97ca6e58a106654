package modern_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/modern"
)

// A memory is a connection whose peer has said everything beforehand. The
// methods that it lacks panic.
type memory struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (m *memory) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// A hijacked is the ResponseWriter of a connection that is already there.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// gorilla is the server's end of a connection that is open, as another
// implementation sees it.
func gorilla(t testing.TB, m *memory, writeBuffer int) *websocket.Conn {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: writeBuffer}
	c, err := upgrader.Upgrade(hijacked{httptest.NewRecorder(), m}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.out.Reset()
	return c
}

// A way is one of the two to open a connection, whose answers mean the same.
type way func(*modern.Dialer, context.Context, modern.Request) (*modern.Backend, error)

var ways = map[string]way{
	"dial": (*modern.Dialer).Dial,
	"forward": func(d *modern.Dialer, ctx context.Context, r modern.Request) (*modern.Backend, error) {
		return d.Forward(ctx, offering(r))
	},
}

// offering is a request with the fields that a client of version 13 has sent.
func offering(r modern.Request) modern.Request {
	if r.Header = r.Header.Clone(); r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if len(r.Protocols) > 0 {
		r.Header.Set("Sec-WebSocket-Protocol", strings.Join(r.Protocols, ", "))
	}
	return r
}

// eachWay runs a test with both.
func eachWay(t *testing.T, test func(t *testing.T, open way)) {
	for id, open := range ways {
		t.Run(id, func(t *testing.T) { test(t, open) })
	}
}

var request = modern.Request{
	Host: "backend.example", Target: "/demo",
	Header:    http.Header{"Origin": {"http://example.com"}},
	Protocols: []string{"chat", "superchat"},
}

// serve has every connection to a listener of its own handled and closed, and
// waits for all of that when the test ends.
func serve(t testing.TB, handle func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handlers.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		handlers.Wait()
	})
	return l.Addr().String()
}

// serveHTTP is a real server, which is waited for as well.
func serveHTTP(t testing.TB, secure bool, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	var handlers sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		handle(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.Close()
		handlers.Wait()
	})
	return server
}

// trusting is the TLS configuration of a client that knows the server's
// certificate.
func trusting(server *httptest.Server) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return &tls.Config{RootCAs: roots, ServerName: "example.com"}
}

// readHead takes a request from a connection. Nothing comes behind it before
// it is answered.
func readHead(conn net.Conn) string {
	var head []byte
	buf := make([]byte, 4096)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		n, err := conn.Read(buf)
		if head = append(head, buf[:n]...); err != nil {
			break
		}
	}
	return string(head)
}

// fields are those of a head; its first line is the other value.
func fields(t testing.TB, head string) (line string, header http.Header) {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(head)))
	line, err := r.ReadLine()
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	all, err := r.ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return line, http.Header(all)
}

const (
	answer101 = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
	frames    = "\x81\x05Hello\x82\x02\r\n\x88\x02\x03\xe8"
)

var keyField = regexp.MustCompile("(?i)\r\nSec-WebSocket-Key: (.*)\r\n")

// accepting fills the Accept that is due into an answer.
func accepting(answer, requestHead string) string {
	key := keyField.FindStringSubmatch(requestHead)
	if key == nil {
		return answer
	}
	return strings.ReplaceAll(answer, "{accept}", modern.AcceptKey(key[1]))
}

// answering is a backend that answers every request alike.
func answering(answer string) func(net.Conn) {
	return func(conn net.Conn) { io.WriteString(conn, accepting(answer, readHead(conn))) }
}

// silent is a backend that answers nothing, until its peer is gone.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

// plus adds fields at the end of a head.
func plus(head string, fields ...string) string {
	head = strings.TrimSuffix(head, "\r\n")
	for _, f := range fields {
		head += f + "\r\n"
	}
	return head + "\r\n"
}

// swap replaces what must be there.
func swap(head, old, new string) string {
	if !strings.Contains(head, old) {
		panic("no " + old + " in " + head)
	}
	return strings.Replace(head, old, new, 1)
}

// noLeaks fails a test that leaves a descriptor or a goroutine behind. It must
// be called first, so that it looks last.
func noLeaks(t testing.TB) {
	t.Helper()
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close() // the first one makes the runtime open descriptors for itself
	}
	files, goroutines := descriptors(), runtime.NumGoroutine()
	t.Cleanup(func() {
		if n := descriptors(); n > files {
			t.Errorf("%d descriptors are open, %d were before", n, files)
		}
		// A goroutine that has been waited for may still be on its way out.
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
			if time.Now().After(end) {
				var stacks strings.Builder
				pprof.Lookup("goroutine").WriteTo(&stacks, 1)
				t.Fatalf("%d goroutines, %d were before:\n%s", runtime.NumGoroutine(), goroutines, stacks.String())
			}
		}
	})
}

// descriptors counts those of the process; 0 where that cannot be told.
func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
