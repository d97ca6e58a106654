package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/wiretest"
)

// A script is a proxy that Debian does not have. It passes a request on and
// holds whatever follows until it has seen the 101.
type script struct {
	request func(lines []string) []string
	answer  func(request, answer []string) []string // nil = 502
	held    func(br *bufio.Reader)                  // before it is let go
}

// plainly passes on everything as it is.
var plainly = script{
	request: func(lines []string) []string { return lines },
	answer:  func(_, lines []string) []string { return lines },
	held:    func(*bufio.Reader) {},
}

// haproxy32 is HAProxy 3.2 in HTTP mode with option accept-invalid-http-request:
// it adds a key to a handshake that has none, as HTTP/2 would need it, and wants
// it answered.
var haproxy32 = script{
	request: func(lines []string) []string {
		if !named(lines, "sec-websocket-key") {
			lines = append(lines, "Sec-WebSocket-Key: "+base64.StdEncoding.EncodeToString(random(16)))
		}
		return lowered(lines)
	},
	answer: func(request, lines []string) []string {
		lines = lowered(lines)
		want := modern.AcceptKey(field(request, "sec-websocket-key"))
		if !strings.HasPrefix(lines[0], "HTTP/1.1 101 ") || field(lines, "sec-websocket-accept") != want {
			return nil
		}
		return lines
	},
	held: plainly.held,
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// lowered spells the names of all fields in lower case.
func lowered(lines []string) []string {
	lines = slices.Clone(lines)
	for i, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		lines[i+1] = strings.ToLower(name) + ":" + value
	}
	return lines
}

func named(lines []string, name string) bool { return field(lines, name) != "" }

func field(lines []string, name string) string {
	for _, line := range lines[1:] {
		if n, value, _ := strings.Cut(line, ": "); strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}

// start runs the script between its address and the gateway.
func (s script) start(t *testing.T, gateway string) *proxy {
	t.Helper()
	return &proxy{address: wiretest.Serve(t, func(client net.Conn) { s.serve(client, gateway) })}
}

func (s script) serve(client net.Conn, gateway string) {
	server, err := net.Dial("tcp", gateway)
	if err != nil {
		return
	}
	defer server.Close()
	for _, conn := range []net.Conn{client, server} {
		conn.SetDeadline(time.Now().Add(patience))
	}
	fromClient, fromServer := bufio.NewReader(client), bufio.NewReader(server)
	request, err := readLines(fromClient)
	if err != nil {
		return
	}
	request = s.request(request)
	writeLines(server, request)
	answer, err := readLines(fromServer)
	if err != nil {
		return
	}
	if answer = s.answer(request, answer); answer == nil {
		io.WriteString(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	writeLines(client, answer)
	go func() {
		s.held(fromClient)
		io.Copy(server, fromClient)
		server.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(client, fromServer)
}

// readLines is a head, line by line.
func readLines(br *bufio.Reader) ([]string, error) {
	head, err := legacy.ReadHead(br)
	return strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n"), err
}

func writeLines(w io.Writer, lines []string) {
	io.WriteString(w, strings.Join(lines, "\r\n")+"\r\n\r\n")
}

func TestProxiesScripted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		script script
		kind   proxyKind
	}{
		{"holding key3", plainly, proxyKind{legacy: onlyProxy}},
		{"HAProxy 3.2", haproxy32, proxyKind{legacy: onlyProxy, except: rewritten}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := startWitness(t)
			admin := mustFreeAddress(t)
			g := startWatchedGateway(t, "WS76_BACKEND=http://"+w.address, "WS76_ADMIN="+admin, trustless)
			s := &stand{t, tt.kind, w, g, tt.script.start(t, g.listen), admin, false}
			for _, c := range proxyCases {
				if strings.HasPrefix(c.name, "7") {
					t.Run(c.name, func(t *testing.T) { s.check(t, c) })
				}
			}
		})
	}
}

// The log names the fault of a proxy and what to change. Each proxy here has
// another one.
func TestProxiesDiagnosed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault, proxy, change string

		script script
	}{
		{"held", "haproxy", "mode tcp", script{
			request: lowered, answer: plainly.answer, held: func(br *bufio.Reader) { br.Peek(1 << 20) },
		}},
		{"lost", "go", "Caddy 2.11", script{
			request: spelled("Sec-WebSocket", "Sec-Websocket"), answer: plainly.answer, held: func(br *bufio.Reader) { br.Discard(8) },
		}},
		{"stripped", "unknown", "Upgrade", script{
			request: spelled("Upgrade: WebSocket", "X-Upgrade: WebSocket"), answer: plainly.answer, held: plainly.held,
		}},
		{"rewritten", "nginx", "proxy_set_header Host $http_host", script{
			request: spelled("Host: ", "X-Real-IP: 127.0.0.1\r\nHost: inner."), answer: plainly.answer, held: plainly.held,
		}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			w := startWitness(t)
			g := startWatchedGateway(t, "WS76_BACKEND=http://"+w.address, "WS76_KEY3_TIMEOUT=200ms")
			s := &stand{t, proxyKind{}, w, g, tt.script.start(t, g.listen), "", false}
			for i := range 3 { // of some faults, three clients are the proof
				conn := s.dial()
				r := s.request(legacy.Hixie76, "/echo/"+tt.fault)
				out := append(bytes.TrimSuffix(r.AppendHead(nil), []byte("\r\n")), fmt.Sprintf("X-Forwarded-For: 192.0.2.%d\r\n\r\n%s", i, r.Key3[:])...)
				if tt.fault == "lost" {
					out = legacy.AppendText(out, []byte("taken for key3"))
				}
				s.write(conn, out)
				if err := r.ReadResponse(bufio.NewReader(conn)); err == nil {
					t.Error("the handshake is good")
				}
				conn.Close()
			}
			line := g.logged("handshake damaged on the way")
			g.says(line, map[string]any{"fault": tt.fault, "proxy": tt.proxy})
			if change := fmt.Sprint(line["change"]); !strings.Contains(change, tt.change) {
				t.Errorf("the log says change=%q, want %q in it", change, tt.change)
			}
		})
	}
}

// spelled replaces one text by another in each line.
func spelled(old, new string) func([]string) []string {
	return func(lines []string) []string {
		lines = slices.Clone(lines)
		for i := range lines {
			lines[i] = strings.ReplaceAll(lines[i], old, new)
		}
		return lines
	}
}
