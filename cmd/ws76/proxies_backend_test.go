package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// A witness is a backend that remembers the requests it got. What it does with
// them their paths say:
//
//	/echo/...    says welcome, then echoes
//	/gate/...    the same, but waits for the gate before it agrees
//	/refuse/...  403
//
// and for all others it answers what it got.
type witness struct {
	*backend
	asked, gate chan struct{}

	mu   sync.Mutex
	seen map[string]*http.Request // by path
}

// What a witness says at /refuse.
const (
	refusalText      = "members only, says the backend"
	refusalChallenge = `Basic realm="members"`
)

func startWitness(t *testing.T) *witness {
	w := &witness{
		backend: &backend{ended: make(chan conversation, 64)},
		asked:   make(chan struct{}, 1), gate: make(chan struct{}, 1), seen: map[string]*http.Request{},
	}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.address = server.Listener.Addr().String()
	return w
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.seen[r.URL.Path] = r.Clone(r.Context())
	w.mu.Unlock()
	switch {
	case strings.HasPrefix(r.URL.Path, "/gate/"):
		w.asked <- struct{}{}
		select {
		case <-w.gate:
			w.echo(rw, r)
		case <-r.Context().Done():
		}
	case strings.HasPrefix(r.URL.Path, "/echo/"):
		w.echo(rw, r)
	case strings.HasPrefix(r.URL.Path, "/refuse/"):
		rw.Header().Set("WWW-Authenticate", refusalChallenge)
		rw.WriteHeader(http.StatusForbidden)
		io.WriteString(rw, refusalText)
	default:
		body, _ := io.ReadAll(r.Body)
		io.WriteString(rw, toldOf(r.Method, r.URL.Path, body))
	}
}

// toldOf is the answer to a plain request.
func toldOf(method, path string, body []byte) string {
	return fmt.Sprintf("%s %s %d %x", method, path, len(body), sha256.Sum256(body))
}

func (w *witness) echo(rw http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(rw, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	c := conversation{path: r.URL.Path, code: websocket.CloseAbnormalClosure}
	kind, message := websocket.TextMessage, []byte("welcome")
	for {
		if err := conn.WriteMessage(kind, message); err != nil {
			break
		}
		if kind, message, err = conn.ReadMessage(); err != nil {
			break
		}
		c.messages++
		c.bytes += len(message)
	}
	if end, ok := err.(*websocket.CloseError); ok {
		c.code = end.Code
	}
	w.ended <- c
}

// saw is the request for a path.
func (w *witness) saw(t *testing.T, path string) *http.Request {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.seen[path]
	if r == nil {
		t.Fatalf("the backend got no request for %s", path)
	}
	return r
}
