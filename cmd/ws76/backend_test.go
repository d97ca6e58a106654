package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A conversation is what a backend saw of a connection, from its handshake to
// its end.
type conversation struct {
	path, origin, cookie, protocol string

	messages, bytes int
	code            int // of the client's Close; 1006 if there was none
}

// A backend says welcome, then echoes, but for these messages:
//
//	!close CODE REASON   close with that code and reason
//	!drop                end TCP without a Close
//	!binary              send a binary message that is not UTF-8
//	!burst N             send "burst 0" to "burst N-1"
type backend struct {
	address string // host:port
	ended   chan conversation
}

// next is the conversation that ended next.
func (b *backend) next(t *testing.T) conversation {
	t.Helper()
	select {
	case c := <-b.ended:
		return c
	case <-time.After(patience):
		t.Fatal("the backend saw no conversation end")
		return conversation{}
	}
}

// gorillaBackend is a backend by gorilla/websocket, in this process.
func gorillaBackend(t *testing.T) *backend {
	b := &backend{ended: make(chan conversation, 64)}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.address = server.Listener.Addr().String()
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	c := conversation{path: r.RequestURI, origin: r.Header.Get("Origin"), cookie: r.Header.Get("Cookie"), protocol: conn.Subprotocol()}
	c.code = websocket.CloseAbnormalClosure
	err = conn.WriteMessage(websocket.TextMessage, []byte("welcome"))
	for err == nil {
		var kind int
		var message []byte
		if kind, message, err = conn.ReadMessage(); err == nil {
			c.messages++
			c.bytes += len(message)
			err = obey(conn, kind, message)
		}
	}
	if end, ok := err.(*websocket.CloseError); ok {
		c.code = end.Code
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
	case "!binary":
		return conn.WriteMessage(websocket.BinaryMessage, []byte{0xff})
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

// nodeBackend is a backend by ws from npm, in a process of its own. It tells
// its connections apart only if there is one at a time.
func nodeBackend(t *testing.T) *backend {
	t.Helper()
	modules := nodeModules(t)
	b := &backend{ended: make(chan conversation, 64)}
	cmd := exec.Command("node", filepath.Join("testdata", "clients", "backend.js"), "0")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port, followed := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(followed)
		b.follow(stdout, port)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-followed
		cmd.Wait()
	})
	select {
	case p := <-port:
		b.address = "127.0.0.1:" + p
	case <-followed:
		t.Fatal("backend.js ended")
	}
	return b
}

// follow reads what backend.js prints.
func (b *backend) follow(stdout io.Reader, port chan<- string) {
	var c conversation
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		word, rest, _ := strings.Cut(scanner.Text(), " ")
		first, _, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(first)
		switch word {
		case "listening":
			port <- first
		case "open":
			c = conversation{}
			for field := range strings.SplitSeq(rest, " ") {
				name, value, _ := strings.Cut(field, "=")
				*map[string]*string{"path": &c.path, "origin": &c.origin, "cookie": &c.cookie, "protocol": &c.protocol}[name] = value
			}
		case "message":
			c.messages++
			c.bytes += n
		case "close":
			c.code = n
			b.ended <- c
		}
	}
}
