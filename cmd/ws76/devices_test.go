package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// Real servers of the time, such as are inside of devices, and clients of today.

func requireRuby(t *testing.T) {
	t.Helper()
	require(t, "ruby")
	if out, err := exec.Command("ruby", "-e", "require 'em-websocket'").CombinedOutput(); err != nil {
		missing(t, "Ruby has no em-websocket (Debian: ruby-em-websocket): %s", out)
	}
}

var devices = []struct {
	name    string
	require func(*testing.T)
	program []string
	lax     []legacy.Dialect // in which it makes slips
	closes  map[legacy.Dialect]int
}{
	{"Perl", requirePerl, []string{"perl", "device.pl"}, []legacy.Dialect{legacy.Hixie75}, map[legacy.Dialect]int{legacy.Hixie75: 1000, legacy.Hixie76: 1000}},
	// em-websocket ends TCP without FF 00.
	{"Ruby", requireRuby, []string{"ruby", "device.rb"}, nil, map[legacy.Dialect]int{legacy.Hixie75: 1000, legacy.Hixie76: 1001}},
}

// startDevice starts a server that prints its port, and returns its address.
func startDevice(t *testing.T, program []string) string {
	t.Helper()
	cmd := exec.Command(program[0], append([]string{filepath.Join("testdata", "devices", program[1])}, program[2:]...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return "127.0.0.1:" + strings.TrimSpace(port)
}

func TestDevices(t *testing.T) {
	t.Parallel()
	for _, device := range devices {
		for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
			t.Run(device.name+"-"+d.String(), func(t *testing.T) {
				t.Parallel()
				device.require(t)
				variables := []string{"WS76_BACKEND=http://" + startDevice(t, device.program), "WS76_BACKEND_DIALECT=" + d.String()}
				for _, lax := range device.lax {
					if lax == d {
						variables = append(variables, "WS76_BACKEND_LAX=on")
					}
				}
				g := startGateway(t, variables...)
				t.Run("gorilla", func(t *testing.T) { talkGorilla(t, gateway{t, g.process}, g.listen, device.closes[d]) })
				t.Run("ws", func(t *testing.T) { talkNode(t, gateway{t, g.process}, g.listen) })
				t.Run("Chromium", func(t *testing.T) { talkChromium(t, gateway{t, g.process}, g.listen) })
				t.Run("PhantomJS", func(t *testing.T) { talkPhantom(t, gateway{t, g.process}, g.listen) })
				for _, client := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
					t.Run("client-"+client.String(), func(t *testing.T) { talkLegacy(t, gateway{t, g.process}, g.listen, client) })
				}
			})
		}
	}
}

// texts are what a device is told and repeats; Protocol::WebSocket takes 64 KiB.
var texts = []string{"hello", "hällo €😀", strings.Repeat("ä€😀", 6000)}

func dialGorilla(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(url, http.Header{"Origin": {"http://page.example"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

func talkGorilla(t *testing.T, g gateway, address string, closes int) {
	conn := dialGorilla(t, "ws://"+address+"/demo?x=1")
	for _, text := range texts {
		conn.WriteMessage(websocket.TextMessage, []byte(text))
		if kind, got, err := conn.ReadMessage(); err != nil || kind != websocket.TextMessage || string(got) != text {
			t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(text))
		}
	}
	conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("at the end: %v", err)
	}
	if _, err := conn.NetConn().Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("behind the Close frame: %v, want the end of TCP", err)
	}
	conn.Close() // or the gateway waits a second for it
	g.says(g.logged("connection closed"), map[string]any{
		"dialect": "13", "by": "client", "reason": "client-closed", "messages_up": len(texts), "messages_down": len(texts),
	})
	conn = dialGorilla(t, "ws://"+address+"/demo?x=1")
	conn.WriteMessage(websocket.TextMessage, []byte("close"))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, closes) {
		t.Errorf("the device closes: %v, want %d", err, closes)
	}
	conn.Close()
	g.says(g.logged("connection closed"), map[string]any{"by": "backend"})
}

// talkNode is a client by ws from npm, which offers permessage-deflate.
func talkNode(t *testing.T, g gateway, address string) {
	t.Helper()
	nodeTalks(t, address)
	g.says(g.logged("connection closed"), map[string]any{"by": "client", "reason": "client-closed"})
}

// nodeTalks has npm's ws send a message to a server that repeats it, and close.
func nodeTalks(t *testing.T, address string) {
	t.Helper()
	const script = `
const ws = new (require('ws'))(process.argv[1], {origin: 'http://page.example'});
const text = 'hällo €😀';
ws.on('open', () => ws.send(text));
ws.on('message', m => { if (m.toString() === 'welcome') return; if (m.toString() !== text) { console.log('got', m.toString()); process.exit(1); } ws.close(1000); });
ws.on('close', code => { console.log('closed', code); process.exit(code === 1000 ? 0 : 1); });
ws.on('error', e => { console.log(e.message); process.exit(1); });
`
	cmd := exec.Command("node", "-e", script, "ws://"+address+"/demo")
	cmd.Env = append(os.Environ(), "NODE_PATH="+nodeModules(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func talkLegacy(t *testing.T, g gateway, address string, d legacy.Dialect) {
	conn := openLegacy(t, address, d, "/demo")
	for _, text := range texts {
		if err := conn.WriteText(text); err != nil {
			t.Fatal(err)
		}
		if got, err := conn.ReadText(); err != nil || got != text {
			t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(text))
		}
	}
	conn.Close()
	g.logged("connection closed")
}
