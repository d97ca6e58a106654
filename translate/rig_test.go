package translate_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// TestMain lets more tests run at a time than there are processors: those that are parallel
// mostly wait.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // go test -parallel overrides it
	m.Run()
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// underRace reports whether the race detector is on, which makes all slow and
// memory useless to measure.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// A rig is a gateway on loopback between clients and a backend that say what a
// test makes them say.
type rig struct {
	testing.TB
	gw      *translate.Gateway
	address string
	backend *backend
	log     *logLines
	dialer  net.Dialer // of clients
}

// newRig builds a rig; when the test ends, nothing of the gateway may be left.
func newRig(t testing.TB, changes ...func(*translate.Options)) *rig {
	t.Helper()
	return newRigOn(t, listen(t), changes...)
}

func newRigOn(t testing.TB, front net.Listener, changes ...func(*translate.Options)) *rig {
	t.Helper()
	r := &rig{TB: t, address: front.Addr().String(), backend: newBackend(t), log: &logLines{more: make(chan struct{})}}
	o := translate.Options{
		Backend:  modern.Dialer{Address: r.backend.Addr().String()},
		Timeouts: translate.Timeouts{Close: 2 * time.Second},
		Logger:   hclog.New(&hclog.LoggerOptions{Output: r.log, JSONFormat: true}),
	}
	for _, change := range changes {
		change(&o)
	}
	r.gw = translate.New(o)
	rigs.Add(1)
	served := make(chan error, 1)
	go func() { served <- r.gw.Serve(front) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.gw.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v, open %v", err, r.gw.Stats().Open)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		nothingRuns(t)
	})
	return r
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// rigs counts those whose gateways may have goroutines.
var rigs atomic.Int64

// nothingRuns fails if a goroutine of the gateway's code is left. So a test has
// one rig. Of rigs that are there at the same time, in parallel tests, the last one looks.
func nothingRuns(t testing.TB) {
	t.Helper()
	rigs.Add(-1)
	eventually(t, func() bool { return rigs.Load() > 0 || len(running()) == 0 },
		func() any { return "left running:\n" + strings.Join(running(), "\n\n") })
}

func running() []string {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return slices.DeleteFunc(strings.Split(string(stacks), "\n\n"), func(stack string) bool {
		return !strings.Contains(stack, "ws76/translate.(*") && !strings.Contains(stack, "/relay.(*")
	})
}

// eventually waits for something that can be seen but not waited for.
func eventually(t testing.TB, so func() bool, what func() any) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what())
		}
	}
}

// closed waits for the end of the only connection so far.
func (r *rig) closed(want translate.Closed) {
	r.Helper()
	stats := func() any { return r.gw.Stats() }
	eventually(r, func() bool { return len(r.gw.Stats().Closed) > 0 }, stats)
	if got := r.gw.Stats().Closed; len(got) != 1 || got[want] != 1 {
		r.Errorf("closed %v, want %v", got, want)
	}
}

// refused waits for the refusal of the only handshake so far.
func (r *rig) refused(d legacy.Dialect, reason translate.Reason) {
	r.Helper()
	refusals := func() map[translate.Refused]int64 {
		s := r.gw.Stats()
		all := map[translate.Refused]int64{}
		maps.Copy(all, s.Refused)
		for reason, n := range s.RequestsRefused {
			all[translate.Refused{Dialect: legacy.HTTP, Reason: reason}] += n
		}
		return all
	}
	eventually(r, func() bool { return len(refusals()) > 0 }, func() any { return r.gw.Stats() })
	if got := refusals(); len(got) != 1 || got[translate.Refused{Dialect: d, Reason: reason}] != 1 {
		r.Errorf("refused %v, want one %s of -%s", got, reason, d)
	}
}

// A logLines is the JSON log of a gateway.
type logLines struct {
	mu    sync.Mutex
	lines []map[string]any
	more  chan struct{} // closed and replaced with each line
}

func (l *logLines) Write(line []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fields)
	close(l.more)
	l.more = make(chan struct{})
	return len(line), nil
}

// find waits for a line with this message.
func (l *logLines) find(t testing.TB, message string) map[string]any {
	t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		more := l.more
		for _, line := range l.lines {
			if line["@message"] == message {
				l.mu.Unlock()
				return line
			}
		}
		l.mu.Unlock()
		select {
		case <-more:
		case <-late:
			t.Fatalf("no %q in the log", message)
		}
	}
}

// has reports whether there is a line with this message and these fields.
func (l *logLines) has(message string, fields map[string]any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line map[string]any) bool {
		for name, value := range fields {
			if line[name] != value {
				return false
			}
		}
		return line["@message"] == message
	})
}

// want fails unless the line with this message has these fields.
func (l *logLines) want(t testing.TB, message string, fields map[string]any) {
	t.Helper()
	line := l.find(t, message)
	for name, want := range fields {
		got := line[name]
		if n, ok := got.(float64); ok {
			got = int(n)
		}
		if got != want {
			t.Errorf("%s: %s is %v, want %v", message, name, got, want)
		}
	}
}

// A client is a socket and what comes in on it.
type client struct {
	*net.TCPConn
	testing.TB
	br *bufio.Reader
}

func (r *rig) dial() *client {
	r.Helper()
	c, err := r.connect()
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) connect() (*client, error) {
	conn, err := r.dialer.Dial("tcp", r.address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	return &client{conn.(*net.TCPConn), r, bufio.NewReader(conn)}, nil
}

func (c *client) say(s string) {
	c.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.Fatalf("write %.50q: %v", s, err)
	}
}

// get fails unless exactly this comes next.
func (c *client) get(want string) {
	c.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.br, got); err != nil || string(got) != want {
		c.Fatalf("got %.200q, %v, want %.200q", got[:n], err, want)
	}
}

// all is what comes until the end of TCP, which must be a regular one.
func (c *client) all() string {
	c.Helper()
	got, err := io.ReadAll(c.br)
	if err != nil {
		c.Errorf("after %.200q: %v", got, err)
	}
	return string(got)
}

// end fails unless exactly this is still to come, and then the end of TCP.
func (c *client) end(want string) {
	c.Helper()
	if got := c.all(); got != want {
		c.Errorf("got %.200q to the end, want %.200q", got, want)
	}
}

// reset ends TCP with RST.
func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// The opening handshakes that tests vary: those of the draft's example.
const (
	head75 = "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Host: example.com\r\nOrigin: http://example.com\r\n\r\n"
	keys = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"
	key3 = "^n:ds[4U"

	answer75 = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"WebSocket-Origin: http://example.com\r\nWebSocket-Location: ws://example.com/demo\r\n\r\n"
	answer76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com/demo\r\n\r\n"
	digest = "8jKS'y:G*Co,Wxa-"
)

var head76 = with(head75, keys)

// with adds whole lines at the end of a head.
func with(head string, lines ...string) string {
	return strings.TrimSuffix(head, "\r\n") + strings.Join(lines, "") + "\r\n"
}

var both = []legacy.Dialect{legacy.Hixie75, legacy.Hixie76}

// handshake is what a client sends, and what it gets.
func handshake(d legacy.Dialect) (request, answer string) {
	if d == legacy.Hixie75 {
		return head75, answer75
	}
	return head76 + key3, answer76 + digest
}

// open is a client whose opening handshake is complete, and its backend.
func (r *rig) open(d legacy.Dialect) (*client, *backendConn) {
	r.Helper()
	request, answer := handshake(d)
	c := r.dial()
	c.say(request)
	b := r.backend.next()
	b.accept()
	c.get(answer)
	return c, b
}

// A backend takes connections as they come.
type backend struct {
	net.Listener
	testing.TB
	conns chan *backendConn
}

func newBackend(t testing.TB) *backend {
	b := &backend{listen(t), t, make(chan *backendConn, 16<<10)}
	go func() {
		for {
			conn, err := b.Accept()
			if err != nil {
				close(b.conns)
				return
			}
			conn.SetDeadline(time.Now().Add(patience))
			b.conns <- &backendConn{TCPConn: conn.(*net.TCPConn), TB: t, br: bufio.NewReader(conn)}
		}
	}()
	t.Cleanup(func() {
		b.Close()
		for conn := range b.conns {
			conn.Close()
		}
	})
	return b
}

// next is the next connection, with the request read.
func (b *backend) next() *backendConn {
	b.Helper()
	c := b.connected()
	if err := c.readRequest(); err != nil {
		b.Fatalf("backend: %v", err)
	}
	return c
}

// connected is the next connection, of which nothing is read.
func (b *backend) connected() *backendConn {
	b.Helper()
	select {
	case c := <-b.conns:
		b.Cleanup(func() { c.Close() })
		return c
	case <-time.After(patience):
		b.Fatal("the backend is not dialled")
		return nil
	}
}

// untouched fails if there is a connection that the test has not taken.
func (b *backend) untouched() {
	b.Helper()
	if n := len(b.conns); n > 0 {
		b.Errorf("the backend is dialled %d times", n)
	}
}

// A backendConn is the backend's end of a connection. Frames are written here
// as they are on the wire, without mask.
type backendConn struct {
	*net.TCPConn
	testing.TB
	br      *bufio.Reader
	request *http.Request
}

func (b *backendConn) readRequest() (err error) {
	b.request, err = http.ReadRequest(b.br)
	return err
}

// readRequestFrom is readRequest on a connection of another kind.
func (b *backendConn) readRequestFrom(conn io.Reader) error {
	b.br = bufio.NewReader(conn)
	return b.readRequest()
}

// accept answers with 101, and these lines in it.
func (b *backendConn) accept(lines ...string) {
	b.Helper()
	b.say(b.switching(lines...))
}

func (b *backendConn) switching(lines ...string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		modern.AcceptKey(b.request.Header.Get("Sec-WebSocket-Key")) + "\r\n" + strings.Join(lines, "") + "\r\n"
}

func (b *backendConn) say(s string) {
	b.Helper()
	if _, err := io.WriteString(b, s); err != nil {
		b.Fatalf("backend: write %.50q: %v", s, err)
	}
}

// readFrame is the next frame, unmasked; one without mask is an error.
func (b *backendConn) readFrame() (string, error) {
	for n := 2; ; n++ {
		head, err := b.br.Peek(n)
		if err != nil {
			return "", err
		}
		h, ok := modern.ParseHeader(head)
		if !ok {
			continue
		}
		if !h.Masked {
			return "", errors.New("a frame without mask")
		}
		frame := make([]byte, h.Size+int(h.Length))
		if _, err := io.ReadFull(b.br, frame); err != nil {
			return "", err
		}
		frame[1] &^= 0x80
		payload := frame[h.Size:]
		modern.Mask(payload, payload, h.Key)
		return string(append(frame[:h.Size-len(h.Key)], payload...)), nil
	}
}

// get fails unless exactly these frames come next.
func (b *backendConn) get(frames ...string) {
	b.Helper()
	for _, want := range frames {
		if got, err := b.readFrame(); err != nil || got != want {
			b.Fatalf("backend: got %.200q, %v, want %.200q", got, err, want)
		}
	}
}

// end fails unless exactly these frames come next. Then it ends TCP: of the two,
// a server does so first.
func (b *backendConn) end(frames ...string) {
	b.Helper()
	b.get(frames...)
	b.CloseWrite()
}

// over fails unless there is nothing more to come but the end of TCP.
func (b *backendConn) over() {
	b.Helper()
	if got, err := b.readFrame(); err != io.EOF {
		b.Errorf("backend: got %.200q, %v, want the end", got, err)
	}
}

// text is a Text frame.
func text(s string) string {
	switch {
	case len(s) < 126:
		return "\x81" + string(rune(len(s))) + s
	case len(s) < 1<<16:
		return "\x81\x7e" + string([]byte{byte(len(s) >> 8), byte(len(s))}) + s
	}
	return "\x81\x7f\x00\x00\x00\x00" + string([]byte{byte(len(s) >> 24), byte(len(s) >> 16), byte(len(s) >> 8), byte(len(s))}) + s
}

// bye is a Close frame.
func bye(code uint16, reason ...string) string {
	s := string([]byte{byte(code >> 8), byte(code)}) + strings.Join(reason, "")
	return "\x88" + string(rune(len(s))) + s
}

// noise is text of n bytes that shows where a byte is lost.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = ' ' + byte(uint32(i)*2654435761>>24)%95
	}
	return string(b)
}

// waiting reports whether nothing is to be read now. It is no proof that nothing
// will come.
func waiting(c *net.TCPConn) bool {
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	defer c.SetReadDeadline(time.Now().Add(patience))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
