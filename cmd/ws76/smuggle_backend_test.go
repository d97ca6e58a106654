package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/wiretest"
)

// A notary is a backend that writes down every request line that reaches it,
// well-formed or not. How it answers, its notaryAnswers say by path; at all
// other paths it says what it was asked, and keeps the connection.
type notary struct {
	address string

	mu      sync.Mutex
	lines   []string
	host    string // of the last request
	carried []byte // what came behind an answer after which it takes no more requests
}

// upgraded is the beginning of a good 101 to an RFC 6455 handshake; ACCEPT
// stands for the right value.
const upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"

// refusedText is a refusal that leaves the connection open.
const refusedText = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\nthe backend refuses, it says"

var notaryAnswers = map[string]string{
	"/agree":          upgraded + "\r\n",
	"/mended":         upgraded + "\r\n",
	"/refuse":         refusedText,
	"/interim":        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + upgraded + "\r\n",
	"/interim-refuse": "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + refusedText,
	"/old":            "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
	"/bare":           "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	"/no-upgrade":     "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
	"/h2c":            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
	"/accept":         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xO0=\r\n\r\n",
	"/extension":      upgraded + "Sec-WebSocket-Extensions: x-unheard-of\r\n\r\n",
	"/subprotocol":    upgraded + "Sec-WebSocket-Protocol: unheard-of\r\n\r\n",
	"/talk":           "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + strings.Repeat("talk, talk. ", 10),
}

func startNotary(t *testing.T) *notary {
	t.Helper()
	n := new(notary)
	n.address = wiretest.Serve(t, n.serve)
	return n
}

func (n *notary) serve(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(patience))
	br := bufio.NewReaderSize(conn, 64<<10)
	for {
		if line := peekLine(br); line != "" {
			n.note(line)
		}
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		n.mu.Lock()
		n.host = r.Host
		n.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		answer, special := notaryAnswers[r.URL.Path]
		if !special {
			text := toldOf(r.Method, r.RequestURI, body)
			answer = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
		answer = strings.ReplaceAll(answer, "ACCEPT", modern.AcceptKey(r.Header.Get("Sec-WebSocket-Key")))
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
		if special && !strings.Contains(answer, "Content-Length: ") {
			n.listen(r.URL.Path, br)
			return
		}
	}
}

// listen takes what comes where no request is expected. At /mended that may be
// frames.
func (n *notary) listen(path string, br *bufio.Reader) {
	var to io.Writer = n
	if path == "/mended" {
		to = io.Discard
	}
	io.Copy(to, br)
}

// peekLine is the line that comes next, or as much of it as comes.
func peekLine(br *bufio.Reader) string {
	for n := 1; ; n = br.Buffered() + 1 {
		_, err := br.Peek(n)
		held, _ := br.Peek(br.Buffered())
		line, _, whole := bytes.Cut(held, []byte("\n"))
		if whole || err != nil {
			return strings.TrimSuffix(string(line), "\r")
		}
	}
}

func (n *notary) note(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

// Write takes what is carried.
func (n *notary) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.carried = append(n.carried, b...)
	return len(b), nil
}

// since is all lines but the first ones.
func (n *notary) since(first int) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines[first:])
}

func (n *notary) lastHost() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.host
}

// takeCarried is what came where no request is expected since the last call.
func (n *notary) takeCarried() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	carried := string(n.carried)
	n.carried = nil
	return carried
}
