package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
)

// A toxic is what a bad network does.
type toxic struct {
	name, kind, attributes string
	only                   string // upstream or downstream; empty: both
	midway                 bool   // it begins behind the first message, else with the connection
	slow                   bool   // no more than that: conversations are right
}

var toxics = []toxic{
	{name: "latency and jitter", kind: "latency", attributes: `{"latency": 20, "jitter": 15}`, slow: true},
	{name: "slices of a byte", kind: "slicer", attributes: `{"average_size": 1, "size_variation": 0, "delay": 0}`, slow: true},
	{name: "bandwidth of 500 KB a second", kind: "bandwidth", attributes: `{"rate": 500}`, slow: true},
	{name: "nothing, then the end", kind: "timeout", attributes: `{"timeout": 300}`},
	{name: "nothing midway", kind: "timeout", attributes: `{"timeout": 0}`, midway: true},
	{name: "reset", kind: "reset_peer", attributes: `{"timeout": 0}`},
	{name: "end midway", kind: "reset_peer", attributes: `{"timeout": 0}`, midway: true}, // the reset is for new connections only
	{name: "end after 100 bytes", kind: "limit_data", attributes: `{"bytes": 100}`},
	{name: "end inside a message up", kind: "limit_data", attributes: `{"bytes": 20000}`, only: "upstream"},
	{name: "end inside a message down", kind: "limit_data", attributes: `{"bytes": 20000}`, only: "downstream"},
}

// A place is where the bad network is: between the gateway and that side.
type place string

const (
	atClient  place = "client"
	atBackend place = "backend"
)

// said is what a client says between the welcome and its goodbye. The last
// message has 100 KB and characters of every length.
var said = []string{"hello", "", "\u00e4\u20ac\U0001d11e", strings.Repeat("0\u00e4\u20ac\U0001d11e", 10_000)}

// Whatever the network does: a conversation is right to the byte, or it ends
// soon with a reason in the log, and nobody is told what was not said.
func TestBadNetwork(t *testing.T) {
	for _, where := range []place{atClient, atBackend} {
		for _, bad := range toxics {
			t.Run(string(where)+"/"+bad.name, func(t *testing.T) {
				t.Parallel()
				converseAll(t, where, bad)
			})
		}
	}
}

// converseAll has clients of all dialects converse at once.
func converseAll(t *testing.T, where place, bad toxic) {
	r, n := startRecorder(t), &badNetwork{t: t, bad: bad, spoilt: make(chan struct{})}
	backend := r.address
	if where == atBackend {
		backend = n.before(backend)
	}
	short, limit := []string{"WS76_CLOSE_TIMEOUT=5s"}, patience
	if !bad.slow {
		short = []string{"WS76_HEAD_TIMEOUT=1s", "WS76_DIAL_TIMEOUT=1s", "WS76_KEY3_TIMEOUT=1s", "WS76_WRITE_TIMEOUT=2s", "WS76_CLOSE_TIMEOUT=500ms", "WS76_PING_INTERVAL=1s"}
		limit = 3 * time.Second // a client that hears nothing leaves
	}
	g := startGateway(t, backend, short...)
	address := g.listen
	if where == atClient {
		address = n.before(address)
	}

	n.begun.Add(len(talkers))
	go n.spoilMidway()
	var all sync.WaitGroup
	for _, c := range talkers {
		all.Go(func() {
			path := "/toxic/" + c.name
			err := converse(c, address, path, time.Now().Add(limit), n)
			switch {
			case bad.slow && err != nil:
				t.Errorf("-%s: %v", c.name, err)
			case !bad.slow && err == nil:
				t.Errorf("-%s: all went well", c.name)
			}
			if c.name != "http" {
				checkEnd(t, g, where, bad, path)
			}
			r.check(t, path, err == nil)
		})
	}
	all.Wait()
}

// converse is a whole conversation; err is what was wrong first.
func converse(c client, address, path string, deadline time.Time, n *badNetwork) error {
	begin := sync.OnceFunc(n.begun.Done)
	defer begin()
	talk, conn, err := c.open(address, path, deadline)
	if conn != nil {
		defer conn.Close()
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if got, err := talk.hear(); got != "welcome" {
		return fmt.Errorf("heard %q, %w, want a welcome", got, err)
	}
	for i, message := range said {
		if err := talk.say(message); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if got, err := talk.hear(); err != nil {
			return fmt.Errorf("echo %d: %w", i, err)
		} else if got != message {
			n.t.Errorf("-%s: message %d came back as %d bytes, %.50q", c.name, i, len(got), got)
			return fmt.Errorf("echo %d is wrong", i)
		}
		if begin(); n.bad.midway {
			<-n.spoilt
		}
	}
	return talk.goodbye()
}

// ends are the reasons that a conversation may end for.
var (
	rightEnds   = []string{"client-closed", "client-ended", "backend-ended"}
	clientEnds  = []string{"client-cut", "client-gone", "client-closed", "client-ended"}
	backendEnds = []string{"backend-gone", "backend-ended", "backend-silent", "backend-bad-answer", "backend-unreachable", "backend-timeout"}
)

// checkEnd waits for the line about the end of a conversation.
func checkEnd(t *testing.T, g *gateway, where place, bad toxic, path string) {
	want := clientEnds
	switch {
	case bad.slow:
		want = rightEnds
	case where == atBackend && bad.midway && bad.kind == "timeout":
		want = append(clientEnds, backendEnds...) // a tunnel is not pinged: its client leaves
	case where == atBackend:
		want = backendEnds
	case !bad.midway && bad.kind != "limit_data", strings.HasSuffix(bad.name, " 100 bytes"):
		return // not even the handshake arrives
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if reason := g.endOf(path); slices.Contains(want, reason) {
			return
		} else if reason != "" || time.Now().After(deadline) {
			t.Errorf("%s: the log has the reason %q, want one of %q", path, reason, want)
			return
		}
	}
}

// A recorder is a backend that says welcome, echoes, and remembers.
type recorder struct {
	address string

	mu  sync.Mutex
	got map[string][]string // by path
}

func startRecorder(t *testing.T) *recorder {
	r := &recorder{got: map[string][]string{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.address = server.Listener.Addr().String()
	return r
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPost {
		if body, err := io.ReadAll(req.Body); err == nil {
			r.record(req.URL.Path, string(body))
			w.Write(body)
		}
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	message := []byte("welcome")
	for conn.WriteMessage(websocket.TextMessage, message) == nil {
		if _, message, err = conn.ReadMessage(); err != nil {
			return
		}
		r.record(req.URL.Path, string(message))
	}
}

func (r *recorder) record(path, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[path] = append(r.got[path], message)
}

// check compares what the backend has got with what was said, of which it may
// lack the end if the conversation was not right.
func (r *recorder) check(t *testing.T, path string, right bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got[path]
	if len(got) > len(said) || !slices.Equal(got, said[:len(got)]) || right && len(got) < len(said) {
		t.Errorf("%s: the backend got %.200q", path, got)
	}
}

// A badNetwork is a proxy with a toxic.
type badNetwork struct {
	t      *testing.T
	bad    toxic
	proxy  *toxiproxy.Proxy
	begun  sync.WaitGroup // conversations that are to be midway
	spoilt chan struct{}  // closed when a toxic midway has begun
}

// before puts the network before a server, and is its address.
func (n *badNetwork) before(upstream string) string {
	n.t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n.proxy = toxiproxy.NewProxy(server, "network", "127.0.0.1:0", upstream)
	if err := n.proxy.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(n.proxy.Stop)
	if !n.bad.midway {
		n.spoil()
	}
	return n.proxy.Listen
}

func (n *badNetwork) spoil() {
	for _, stream := range []string{"upstream", "downstream"} {
		if n.bad.only != "" && n.bad.only != stream {
			continue
		}
		toxic := fmt.Sprintf(`{"name": %q, "stream": %q, "type": %q, "attributes": %s}`, stream, stream, n.bad.kind, n.bad.attributes)
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			n.t.Errorf("%s: %v", toxic, err)
		}
	}
}

// spoilMidway spoils the network when all conversations have begun.
func (n *badNetwork) spoilMidway() {
	n.begun.Wait()
	if n.bad.midway {
		n.spoil()
	}
	close(n.spoilt)
}
