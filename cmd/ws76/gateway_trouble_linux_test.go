package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// What becomes of a gateway that is in trouble itself.

// Without a descriptor left the gateway neither ends nor spins; those who are
// connected stay, those who come wait for their turn, or are refused.
func TestGatewayOutOfDescriptors(t *testing.T) {
	t.Parallel()
	const limit, connected, coming = 48, 10, 60
	backend := gorillaBackend(t)
	admin, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p, err := startCommand(exec.Command("sh", "-c", fmt.Sprintf("ulimit -n %d && exec ws76 serve", limit)),
		"WS76_BACKEND=http://"+backend.address, "WS76_ADMIN="+admin, "WS76_CLOSE_TIMEOUT=200ms")
	g := belongs(t, p, err)
	before := g.atRest(admin)
	var open []*speaker
	for range connected {
		s, err := speak(g.listen, legacy.Hixie76, "/")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.abort)
		s.hears(t, "welcome")
		open = append(open, s)
	}

	var comers []*speaker
	for range coming {
		s, err := newSpeaker(&net.Dialer{}, g.listen, legacy.Hixie76)
		if err != nil {
			t.Fatal(err)
		}
		comers = append(comers, s)
	}
	if _, err := g.next(func(line string) bool { return strings.Contains(line, "accept4: too many open files") }); err != nil {
		t.Fatal(err)
	}
	var answered sync.WaitGroup
	for _, s := range comers {
		answered.Go(func() {
			defer s.abort()
			err := s.open("/")
			var refused *refusedError
			if err != nil && (!errors.As(err, &refused) || !strings.HasPrefix(refused.body, "503 Service Unavailable: out-of-resources\n")) {
				t.Errorf("neither let in nor refused: %v", err)
			}
		})
	}
	for _, s := range open {
		s.echoed(t, "still here")
	}
	answered.Wait()
	for _, s := range open {
		s.echoed(t, "still here")
		s.abort()
	}
	g.backTo(admin, before)
	for _, s := range speakEach(t, g) {
		s.abort()
	}
	if n := strings.Count(g.log(), "too many open files; retrying"); n > 100 {
		t.Errorf("%d errors of accept in the log", n)
	}
	g.terminate()
}

// atRest are the samples of a gateway without a client. What broke: it logs that it serves
// before its port does, and takes an epoll set and an eventfd for each processor with the port;
// on a busy machine they were not there before, and seemed to be left afterwards.
func (g gateway) atRest(admin string) map[string]string {
	g.t.Helper()
	eventually(g.t, "epoll set and eventfd for each processor", func() bool {
		kinds := map[string]int{}
		descriptors, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", g.cmd.Process.Pid))
		for _, name := range descriptors {
			kind, _ := os.Readlink(name)
			kinds[kind]++
		}
		all := 1 + runtime.GOMAXPROCS(0) // Go's own too
		return kinds["anon_inode:[eventpoll]"] == all && kinds["anon_inode:[eventfd]"] == all
	})
	_, samples := scrape(g.t, admin)
	return samples
}

// backTo waits until nothing is left of connections.
func (g gateway) backTo(admin string, before map[string]string) {
	g.t.Helper()
	var now map[string]string
	deadline := time.Now().Add(patience)
	for _, name := range []string{
		`ws76_connections_open{dialect="75"}`, `ws76_connections_open{dialect="76"}`,
		`ws76_connections_open{dialect="8"}`, `ws76_connections_open{dialect="13"}`,
		"process_open_fds", "go_goroutines",
	} {
		for ; ; time.Sleep(10 * time.Millisecond) {
			if _, now = scrape(g.t, admin); now[name] != "" && number(now[name]) <= number(before[name]) {
				break
			}
			if time.Now().After(deadline) {
				g.t.Fatalf("%s is %s, was %s before", name, now[name], before[name])
			}
		}
	}
}

// Clients and backends that read nothing while there is much for them cost the
// gateway its buffers and no more, so that it needs no room for their messages.
// When they read on, all is there.
func TestGatewayShortOfMemory(t *testing.T) {
	require(t, "prlimit")
	const (
		pairs = 16
		room  = 256 << 20 // the race detector's share included; the messages are twice that
	)
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	said := map[bool][]byte{ // by legacy and other clients
		true:  legacy.AppendText(nil, message),
		false: modern.AppendFrame(nil, true, modern.Text, message, modern.NewKey()),
	}
	f := startFlooder(t, message)
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+f.address, "GOMEMLIMIT=64MiB", "WS76_CLOSE_TIMEOUT=200ms", "WS76_PING_INTERVAL=off", "WS76_WRITE_TIMEOUT="+long)
	size, peak := g.memory(t, "VmSize"), g.memory(t, "VmHWM")
	out, err := exec.Command("prlimit", fmt.Sprint("--pid=", g.cmd.Process.Pid), fmt.Sprint("--as=", size+room)).CombinedOutput()
	if err != nil {
		t.Fatalf("prlimit: %v: %s", err, out)
	}

	var speakers []*speaker
	var sent atomic.Int64
	for i := range pairs {
		s, err := speak(g.listen, everyDialect[i%len(everyDialect)], "/")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.abort)
		speakers = append(speakers, s)
		go s.write(said[s.dialect.Legacy()])
	}
	eventually(t, "stand-still", func() bool {
		_, now := scrape(t, admin)
		var n int64
		for name, value := range now {
			if strings.HasPrefix(name, "ws76_bytes_total") {
				n += int64(number(value))
			}
		}
		time.Sleep(200 * time.Millisecond)
		return n > 0 && sent.Swap(n) == n
	})
	t.Logf("stand-still after %d MiB; the peak of resident memory went from %d to %d MiB", sent.Load()>>20, peak>>20, g.memory(t, "VmHWM")>>20)
	if grown := g.memory(t, "VmHWM") - peak; grown > room {
		t.Errorf("the peak of resident memory has grown by %d MiB, want at most %d", grown>>20, room>>20)
	}

	close(f.read)
	for i, s := range speakers {
		if i >= len(everyDialect) {
			s.abort()
			continue
		}
		if got, err := s.hear(); got != string(message) || err != nil {
			t.Errorf("a client of %s got %d bytes, %v, want %d", s.dialect, len(got), err, len(message))
		}
	}
	for range everyDialect {
		if n := <-f.got; n != len(message) {
			t.Errorf("the backend got a message of %d bytes", n)
		}
	}
}

// A flooder is a backend that says one message to everybody, and reads nothing
// until it may.
type flooder struct {
	address string
	read    chan struct{} // closed when it may
	got     chan int      // bytes of the messages that were as its own
}

func startFlooder(t *testing.T, message []byte) *flooder {
	frame := binary.BigEndian.AppendUint64([]byte{0x80 | byte(modern.Text), 127}, uint64(len(message)))
	frame = append(frame, message...)
	f := &flooder{read: make(chan struct{}), got: make(chan int, 1024)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		go conn.NetConn().Write(frame)
		<-f.read
		if _, got, err := conn.ReadMessage(); err == nil && bytes.Equal(got, message) {
			f.got <- len(got)
			conn.ReadMessage() // the end
		}
	}))
	t.Cleanup(server.Close)
	f.address = server.Listener.Addr().String()
	return f
}

// memory is a size in /proc/PID/status, in bytes.
func (g gateway) memory(t *testing.T, name string) (size int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(status), "\n"+name+":")
	if _, err := fmt.Sscan(rest, &size); err != nil || !found {
		t.Fatalf("%s: %v", name, err)
	}
	return size << 10
}
