package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// handshake76 is one with key3, and fields of its own.
func handshake76(host, target, fields string) string {
	return "GET " + target + " HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: " + host + "\r\nOrigin: http://page.example\r\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n" + fields + "\r\n^n:ds[4U"
}

// Behind a proxy the log still says who came, with what, and from which page; so does the
// census.
func TestWhoCame(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address)
	conn := g.connect()
	agent := "Mozilla/5.0 (iPad; \"x\") " + strings.Repeat("u", 300)
	io.WriteString(conn, handshake76(g.listen, "/who", "User-Agent: "+agent+"\r\nX-Forwarded-For: 198.51.100.7\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %v", resp, err)
	}
	want := map[string]any{"forwarded_for": "198.51.100.7", "user_agent": agent[:256], "origin": "http://page.example"}
	g.says(g.logged("connection opened"), want)
	conn.Close()
	g.says(g.logged("connection closed"), want)
	probe := g.connect()
	io.WriteString(probe, handshake76(g.listen, "/probe", "User-Agent: ws76-probe/1\r\n"))
	g.logged("connection opened")
	probe.Close()
	_, text := get(t, "http://"+admin+"/census")
	if !strings.Contains(text, "\nWho came with -76 in the last 7 days:\n") || !strings.Contains(text, fmt.Sprintf("%q  %q\n", agent[:256], "http://page.example")) || strings.Contains(text, "ws76-probe") {
		t.Errorf("the census says\n%s", text)
	}
	g.terminate()
}

// Without a proxy that is trusted, nobody says who came.
func TestWhoCameIsForTrustedProxies(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_TRUSTED_PROXIES=192.0.2.0/24")
	conn := g.connect()
	io.WriteString(conn, handshake76(g.listen, "/who", "X-Forwarded-For: 198.51.100.7\r\n"))
	if line := g.logged("connection opened"); line["forwarded_for"] != nil || line["user_agent"] != nil {
		t.Errorf("the log says %v", line)
	}
}

// The level debug has the head of each handshake as it came, without what is secret.
func TestDebugHasTheHead(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_LOG_LEVEL=debug")
	client := g.connect()
	io.WriteString(client, handshake76(g.listen, "/who?token=SECRET", "cookie:  SECRET\r\n"))
	head, _ := g.logged("opening handshake received")["head"].(string)
	for _, want := range []string{"GET /who?***(12 bytes) HTTP/1.1\r\nUpgrade: WebSocket\r\n", "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n", "\r\ncookie:  ***(6 bytes)\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("the head is %q, without %q", head, want)
		}
	}
	g.logged("connection opened")
	client.Close()
	g.terminate()
	if strings.Contains(g.log(), "SECRET") {
		t.Errorf("the log has a secret:\n%s", g.log())
	}
}

// The first line has the whole backend and all settings that are not default.
func TestServingSaysTheSettings(t *testing.T) {
	t.Parallel()
	g := startGateway(t, "WS76_BACKEND=http://127.0.0.1:1/chat", "WS76_ADMIN_TOKEN=0123456789abcdef", "WS76_MAX_HEAD=16KiB", "WS76_LOG_LEVEL=trace")
	for _, want := range []string{`"backend":"http://127.0.0.1:1/chat"`, ` WS76_ADMIN_TOKEN=***(16 bytes) `, `WS76_LISTEN=127.0.0.1:0 `} {
		if !strings.Contains(g.log(), want) {
			t.Errorf("the log does not say %s:\n%s", want, g.log())
		}
	}
	for _, not := range []string{"WS76_MAX_HEAD", "0123456789abcdef"} {
		if strings.Contains(g.log(), not) {
			t.Errorf("the log says %s:\n%s", not, g.log())
		}
	}
	if !strings.Contains(g.log(), "payloads are logged at this level") {
		t.Errorf("there is no warning of the level trace:\n%s", g.log())
	}
}

// A backend that sends binary ends a legacy client, and the log says which variable and
// what in the app.
func TestBinaryIsExplained(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g := startGateway(t, "WS76_BACKEND=http://"+b.address)
	conn := g.open(legacy.Hixie76, "/")
	if err := conn.WriteText("!binary"); err != nil {
		t.Fatal(err)
	}
	if err := readToEnd(conn); err != nil {
		t.Error(err)
	}
	conn.Close() // which ends the connection, and so it is logged
	line := g.logged("binary message ended a connection")
	if change := fmt.Sprint(line["change"]); line["@level"] != "warn" || !strings.Contains(change, "WS76_BINARY") || !strings.Contains(change, "the app, to send text messages") {
		t.Errorf("the log says %v", line)
	}
}

// A balancer that checks the port with a reset or a FIN is no failure, with TLS too.
func TestPortCheckOfTLSIsSilent(t *testing.T) {
	t.Parallel()
	g, address := tlsGateway(t, newPEM(t, "localhost"))
	for _, linger := range []int{0, -1} { // RST, FIN
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.(*net.TCPConn).SetLinger(linger)
		conn.Close()
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
	g.logged("tls handshake failed") // for one that speaks, there is a line
	if _, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Error(err)
	}
	g.terminate()
	if n := strings.Count(g.log(), "tls handshake failed"); n != 1 {
		t.Errorf("%d lines about failures, want 1:\n%s", n, g.log())
	}
}

// No query, no password and no token of a request is ever in the log, whatever is wrong
// with the request.
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	g := startGateway(t, "WS76_BACKEND=http://127.0.0.1:1", "WS76_LOG_LEVEL=debug")
	const upgrade = "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, request := range []string{
		"GET /x?a=SECRET#f HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /x?a=SECRET#f HTTP/1.1\r\n" + upgrade + "\r\n",
		"GET /x?a=SECRET HTTP/1.1\r\n" + upgrade + "Cookie: SECRET\r\n\r\n",
		"GET /x?a=SECRET HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://me:SECRET@a,b/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET mailto:a?SECRET HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT a:80?SECRET HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /x HTTP/1.1\r\nHost: me:SECRET@a\r\n\r\n",
		"GET /x?SECRET HTTP/1.1\r\nHost: a\r\nCookie: a\r\n SECRET\r\n\r\n",
		"GET /x?SECRET%zz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: SECRET\r\n\r\n",
		"GET /x?SECRET HTTP/1.1\r\nHost: a\r\nSECRET\r\n\r\n",
		handshake76("a", "/x?SECRET", "Sec-WebSocket-Protocol: SECRET x\r\nAuthorization: SECRET\r\n"),
	} {
		conn := g.connect()
		io.WriteString(conn, request)
		conn.(*net.TCPConn).CloseWrite()
		io.ReadAll(conn)
	}
	g.terminate()
	if strings.Contains(g.log(), "SECRET") {
		t.Errorf("the log has a secret:\n%s", g.log())
	}
	if !strings.Contains(g.log(), "***(") {
		t.Errorf("the log has nothing that is masked:\n%s", g.log())
	}
}

// What the README has to be pasted first outlives an app that is restarted: ws76 has a
// network namespace of its own, with the published port, and asks the app by its name.
func TestReadmeCompose(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```yaml\n")
	snippet, _, _ := strings.Cut(rest, "```")
	app, gateway, ok := strings.Cut(snippet, "\n  ws76:\n")
	if !ok || strings.Contains(app, "ports:") || strings.Contains(snippet, "network_mode") || !strings.Contains(gateway, `ports: ["8076:8076"]`) || !strings.Contains(gateway, `WS76_BACKEND: "http://app:8080"`) {
		t.Errorf("the first snippet is\n%s", snippet)
	}
}
