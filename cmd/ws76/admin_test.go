package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// /census is the page of the admin port, with what the gateway has counted.
func TestCensusPage(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_DIALECTS=75,76")
	g.open(legacy.Hixie76, "/census")
	if status, text := get(t, "http://"+admin+"/census"); status != 200 || !strings.Contains(text, "\nIn use: 76.") || !strings.Contains(text, "\nNot seen: 75.") {
		t.Errorf("%d\n%s", status, text)
	}
}

// A body that never comes does not keep a connection of the admin port for ever, whatever
// is asked for, and the answer does not wait for it.
func TestAdminBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	_, admin := adminGateway(t, "WS76_HEAD_TIMEOUT=100ms")
	for _, request := range []string{
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
		"PUT /log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nin",
		"GET /healthz HTTP/1.1\r\nHost: loc",
	} {
		conn, err := net.Dial("tcp", admin)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(conn); err != nil || len(got) == 0 && strings.HasSuffix(request, "\n") {
			t.Errorf("%q: got %q, %v", request, got, err)
		}
	}
}

// What a stream takes longer than WS76_WRITE_TIMEOUT to say arrives.
func TestAdminStream(t *testing.T) {
	t.Parallel()
	_, admin := adminGateway(t, "WS76_PPROF=on", "WS76_WRITE_TIMEOUT=100ms")
	status, text := get(t, "http://"+admin+"/debug/pprof/trace?seconds=0.5")
	if status != 200 || len(text) < 1000 {
		t.Errorf("status %d, %d bytes", status, len(text))
	}
}

// The admin port answers everybody only what a probe needs.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, admin := adminGateway(t, "WS76_ADMIN_TOKEN_FILE="+file)
	if status, _ := get(t, "http://"+admin+"/healthz"); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	if status, _ := get(t, "http://"+admin+"/census"); status != 401 {
		t.Errorf("/census without the token: %d", status)
	}
	if status, _ := get(t, "http://any:0123456789abcdef@"+admin+"/census"); status != 200 {
		t.Errorf("/census with the token: %d", status)
	}
	if strings.Contains(g.log(), "0123456789abcdef") {
		t.Errorf("the token is in the log")
	}
}
