package probe

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/legacy"
)

// A peer is the other end of an attempt, with the request that came.
type peer struct {
	net.Conn
	br *bufio.Reader
	r  *http.Request
}

// A script is what a peer does. When it returns, the connection ends.
type script func(*peer)

// run reads a request and answers it.
func (s script) run(conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		r = &http.Request{}
	}
	s(&peer{conn, br, r})
}

// rest is what the client sends until it ends the connection.
func (p *peer) rest() []byte {
	b, _ := io.ReadAll(p.br)
	return b
}

// ends ends the server's half, so that the client need not wait for more, and
// is what the client still has to say.
func (p *peer) ends() []byte {
	if half, ok := p.Conn.(*net.TCPConn); ok {
		half.CloseWrite()
	}
	return p.rest()
}

func (p *peer) says(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// dialect tells the attempts apart.
func (p *peer) dialect() legacy.Dialect {
	d, _ := legacy.Detect(p.r)
	return d
}

// handshake is what legacy makes of the request, and the Location that is right
// for it.
func (p *peer) handshake() (*legacy.Handshake, legacy.ResponseFields) {
	h, err := legacy.NewHandshake(p.r, p.dialect(), nil)
	if err != nil {
		panic(err)
	}
	return h, legacy.ResponseFields{Location: legacy.Location(false, p.r.Host, h.Resource), Protocol: h.Protocol}
}

// accepts answers any handshake as it should be, one of RFC 6455 with more fields,
// and plain HTTP as well; it is what the client sends after that.
func (p *peer) accepts(fields ...string) []byte {
	switch p.dialect() {
	case legacy.HTTP:
		p.says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	case legacy.Hixie75, legacy.Hixie76:
		h, a := p.handshake()
		h.Accept(p.Conn, p.br, a, time.Minute)
	default:
		sum := sha1.Sum([]byte(p.r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		p.says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
			base64.StdEncoding.EncodeToString(sum[:]), strings.Join(fields, ""))
	}
	return p.ends()
}

// edits answers a legacy handshake as it should be but for the head of the 101,
// in which the first of each pair becomes the second.
func edits(pairs ...string) script {
	return func(p *peer) {
		h, a := p.handshake()
		p.says("%s", strings.NewReplacer(pairs...).Replace(string(h.AppendHead(nil, a))))
		if p.dialect() == legacy.Hixie76 {
			response := p.response()
			p.Write(response[:])
		}
		p.ends()
	}
}

// response reads key3 and is what it proves.
func (p *peer) response() [16]byte {
	var key3 [8]byte
	io.ReadFull(p.br, key3[:])
	key1, _ := legacy.ParseKey(p.r.Header.Get("Sec-WebSocket-Key1"))
	key2, _ := legacy.ParseKey(p.r.Header.Get("Sec-WebSocket-Key2"))
	return legacy.ChallengeResponse(key1, key2, key3)
}

// always answers everything the same.
func always(answer string) script {
	return func(p *peer) {
		p.says("%s", answer)
		p.ends()
	}
}

// serve runs a script on every connection to a port of the loopback interface.
func serve(t *testing.T, s script) *Prober {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var peers sync.WaitGroup
	peers.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			peers.Go(func() { s.run(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		peers.Wait()
	})
	return prober(t, "ws://"+ln.Addr().String()+"/chat?room=1")
}

// pipe runs a script on every connection, in memory: for tests in a bubble,
// whose time is not that of the network.
func pipe(t *testing.T, s script) *Prober {
	t.Helper()
	p := prober(t, "ws://chat.example/")
	var peers sync.WaitGroup
	t.Cleanup(peers.Wait)
	p.DialTCP = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		peers.Go(func() { s.run(server) })
		return client, nil
	}
	return p
}

func prober(t *testing.T, url string) *Prober {
	t.Helper()
	u, err := reach.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return &Prober{Place: reach.Place{URL: u}, Timeout: time.Minute}
}

// walk makes attempts, by default all, and explains them.
func (p *Prober) walk(t *testing.T, names ...string) []Result {
	t.Helper()
	if names == nil {
		names = Attempts()
	}
	var results []Result
	for _, name := range names {
		results = append(results, p.Try(t.Context(), name))
	}
	p.Explain(results)
	return results
}
