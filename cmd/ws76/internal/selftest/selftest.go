// Package selftest is a page that the owner of an old device opens on it, through all
// proxies on the way. It says what the device speaks and what breaks, and ends with a code
// that ws76 explain turns into findings and the line to change.
package selftest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/proxies"
)

// Bounds of one connection to the echo.
const (
	maxMessage  = 64 << 10
	maxMessages = 200
	maxTime     = 60 * time.Second
)

// protocol is the subprotocol that the echo speaks: old browsers differ in how they take
// one.
const protocol = "ws76"

var (
	//go:embed page.html
	frame string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

var document = strings.NewReplacer("/*style*/", style, "/*script*/", script).Replace(frame)

// policy lets the page connect to this host only. Browsers that know a policy and not that
// 'self' is WebSocket too need the schemes.
var policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; img-src data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", hash(script), hash(style))

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A Test answers at one path: the page, the echo that it talks to, and the code.
type Test struct {
	path    string
	server  http.Server
	memory  *memory
	records records
	next    translate.Observer
}

// New returns a Test that answers at path and below. Next, if not nil, observes its
// connections too.
func New(path string, next translate.Observer) *Test {
	t := &Test{path: path, memory: newMemory(), next: next}
	t.server = http.Server{Handler: http.HandlerFunc(t.echo), ReadHeaderTimeout: maxTime}
	go t.server.Serve(t.memory)
	return t
}

// Close ends the echo.
func (t *Test) Close() error { return t.server.Close() }

// Local is how a Gateway serves the Test. The echo is dialled like a backend, so that the
// device is tested with the handshake and the translation that the app's clients have;
// only the app is out of the picture. It listens in memory, where nobody can get past the
// Gateway and its limits.
func (t *Test) Local() *translate.Local {
	return &translate.Local{
		Path: t.path, Handler: t.handler(), Observer: t,
		Backend: modern.Dialer{Address: "localhost:80", Open: t.memory.open},
	}
}

func (t *Test) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+t.path, servePage)
	mux.HandleFunc("GET "+t.path+"/{$}", servePage)
	mux.HandleFunc("GET "+t.path+"/result", t.result)
	mux.HandleFunc("GET "+t.path+"/echo", t.stripped)
	return mux
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	fmt.Fprint(w, document)
}

// stripped answers a request for the echo that is no opening handshake any more.
func (t *Test) stripped(w http.ResponseWriter, r *http.Request) {
	t.records.change(r.FormValue("id"), func(f *record) {
		f.set(dialect, "http")
		f.set(fault, string(proxies.Stripped))
		f.set(proxy, proxies.FromRequest(r, nil))
	})
	http.Error(w, "this is for WebSockets", http.StatusUpgradeRequired)
}

// echo is the backend. It says every message back.
func (t *Test) echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != t.path+"/echo" {
		http.NotFound(w, r)
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{protocol}, CheckOrigin: func(*http.Request) bool { return true }} // the Gateway has checked it
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	end := time.Now().Add(maxTime)
	conn.SetReadLimit(maxMessage)
	conn.SetReadDeadline(end)
	conn.SetWriteDeadline(end.Add(time.Second))
	for range maxMessages {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			break
		}
		if conn.WriteMessage(kind, message) != nil {
			return
		}
	}
	over := websocket.FormatCloseMessage(websocket.ClosePolicyViolation, fmt.Sprintf("at most %d messages in %s", maxMessages, maxTime))
	conn.WriteControl(websocket.CloseMessage, over, time.Now().Add(time.Second))
}

// result answers with the code, and with what was seen of the device's handshake, a line
// each.
func (t *Test) result(w http.ResponseWriter, r *http.Request) {
	f := t.records.get(r.FormValue("id"))
	for at, known := range fields {
		if known.name == "" {
			continue
		}
		value := r.FormValue(known.name)
		if ms, err := strconv.Atoi(value); known.words == nil && err == nil {
			f.setTime(field(at), ms)
		}
		f.set(field(at), value)
	}
	if f.word(proxy) == "" {
		f.set(proxy, proxies.FromRequest(r, nil))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintf(w, "code %s\ndialect %s\n", f.Code(), f.word(dialect))
	switch {
	case f.word(key3) == "never":
		fmt.Fprintln(w, "key3 never")
	case f.key3Wait > 0:
		fmt.Fprintln(w, "key3", max(1, f.key3Wait.Milliseconds()))
	case f.word(key3) != "":
		fmt.Fprintln(w, "key3 0")
	}
	switch {
	case f.word(fault) != "":
		fmt.Fprintln(w, "fault yes")
	case f.word(refusal) != "":
		fmt.Fprintln(w, "refused", f.word(refusal))
	}
}

// A memory is a listener in this process.
type memory struct {
	conns chan net.Conn
	done  context.Context
	close context.CancelFunc
}

func newMemory() *memory {
	m := &memory{conns: make(chan net.Conn)}
	m.done, m.close = context.WithCancel(context.Background())
	return m
}

// A pipe is the gateway's end of a connection. A pipe in memory has no halves, so the end
// of one is that of both: the echo has nothing to say to a client that has ended.
type pipe struct{ net.Conn }

// CloseWrite ends the connection.
func (p pipe) CloseWrite() error { return p.Close() }

// open connects to it.
func (m *memory) open(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case m.conns <- there:
		return pipe{here}, nil
	case <-m.done.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept returns the next connection.
func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.done.Done():
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (m *memory) Close() error {
	m.close()
	return nil
}

// Addr is needed by net.Listener only.
func (m *memory) Addr() net.Addr { return &net.UnixAddr{} }
