package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	_ "embed"

	"github.com/gorilla/websocket"
)

//go:embed page.html
var page string

// events is what the backend streams.
var events = []string{"event 1", "event 2", "event 3"}

// A backend is an app of today: a page, a stream of events, and a WebSocket
// with permessage-deflate that says welcome, then echoes, but for these
// messages:
//
//	!close CODE REASON   close with that code and reason
//	!drop                end TCP without a Close
//	!burst N             send "burst 0" to "burst N-1"
type backend struct {
	address   string // host:port
	confirmed chan string
	ended     chan conversation
}

// A conversation is what the backend saw of a WebSocket.
type conversation struct {
	path, origin string
	extensions   string // that it was offered
	messages     int    // that it got
	code         int    // of the client's Close; 1006 if there was none
	reason       string
}

// next is the conversation that ended next.
func (b *backend) next(t *testing.T, ctx context.Context) conversation {
	t.Helper()
	select {
	case c := <-b.ended:
		return c
	case <-ctx.Done():
		t.Fatalf("wait for the end of a conversation: %v", ctx.Err())
		return conversation{}
	}
}

func startBackend(t *testing.T) *backend {
	b := &backend{confirmed: make(chan string), ended: make(chan conversation, 8)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, page) })
	mux.HandleFunc("POST /length", length)
	mux.HandleFunc("GET /events", b.stream)
	mux.HandleFunc("POST /events", b.confirm)
	mux.HandleFunc("GET /socket/", b.converse)
	mux.HandleFunc("GET /locked", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "no token", http.StatusUnauthorized)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	b.address = server.Listener.Addr().String()
	return b
}

func length(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprint(w, n)
}

// stream sends an event only when the client has confirmed the one before: if
// anything on the way held an event back, there would be no next one.
func (b *backend) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, event := range events {
		fmt.Fprintf(w, "data: %s\n\n", event)
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case confirmed := <-b.confirmed:
			if confirmed != event {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (b *backend) confirm(w http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case b.confirmed <- string(event):
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
	}
}

func (b *backend) converse(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	c := conversation{
		path: r.URL.Path, origin: r.Header.Get("Origin"), extensions: r.Header.Get("Sec-WebSocket-Extensions"),
		code: websocket.CloseAbnormalClosure,
	}
	err = conn.WriteMessage(websocket.TextMessage, []byte("welcome"))
	for err == nil {
		var kind int
		var message []byte
		if kind, message, err = conn.ReadMessage(); err == nil {
			c.messages++
			err = obey(conn, kind, message)
		}
	}
	if end, ok := err.(*websocket.CloseError); ok {
		c.code, c.reason = end.Code, end.Text
	}
	b.ended <- c
}

func obey(conn *websocket.Conn, kind int, message []byte) error {
	command, rest, _ := strings.Cut(string(message), " ")
	number, text, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(number)
	switch command {
	case "!close":
		return conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(n, text))
	case "!drop":
		return conn.Close()
	case "!burst":
		for i := range n {
			if err := conn.WriteMessage(kind, fmt.Appendf(nil, "burst %d", i)); err != nil {
				return err
			}
		}
		return nil
	}
	return conn.WriteMessage(kind, message)
}
