package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// systemd hears when clients are served, that ws76 is alive, and that it drains.
func TestSystemdIsNotified(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	notified, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notified.Close()
	notified.SetReadDeadline(time.Now().Add(patience))
	until := func(want string) {
		t.Helper()
		for buf := make([]byte, 256); ; {
			n, err := notified.Read(buf)
			if err != nil {
				t.Fatalf("%s did not come: %v", want, err)
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	p, err := startProcess("NOTIFY_SOCKET="+path, "WATCHDOG_USEC=20000")
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		until(want)
	}
	if err := p.signal(); err != nil {
		t.Fatal(err)
	}
	until("STOPPING=1")
}

// startActivated starts ws76 as systemd does: it holds the sockets, which are passed on
// from descriptor 3. pid is what LISTEN_PID says, $$ for ws76's own.
func startActivated(t *testing.T, pid, names string, sockets []net.Listener, variables ...string) (*process, error) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "LISTEN_PID="+pid+" exec ws76 serve")
	for _, socket := range sockets {
		file, err := socket.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	p, err := startCommand(cmd, append(variables, "LISTEN_FDS="+string(rune('0'+len(sockets))), "LISTEN_FDNAMES="+names)...)
	if err == nil {
		t.Cleanup(p.kill)
	}
	return p, err
}

func openSockets(t *testing.T, n int) (sockets []net.Listener) {
	t.Helper()
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // as systemd opens a port
	for range n {
		socket, err := plain.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { socket.Close() })
		sockets = append(sockets, socket)
	}
	return sockets
}

// A client that comes while ws76 is restarted waits in the socket, which systemd holds,
// and is served by the next ws76.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	backend := startBackendProcess(t).address
	sockets := openSockets(t, 1)
	address := sockets[0].Addr().String()
	first, err := startActivated(t, "$$", "ws76.socket", sockets, "WS76_BACKEND=http://"+backend)
	if err != nil {
		t.Fatal(err)
	}
	if first.listen != address {
		t.Errorf("ws76 listens on %s, not on the socket %s", first.listen, address)
	}
	client, err := speak(address, legacy.Hixie76, "/echo")
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if err := first.signal(); err != nil {
		t.Fatal(err)
	}
	if state, err := first.wait(); err != nil || !state.Success() {
		t.Fatalf("%v, %v\n%s", state, err, first.log())
	}
	waiting, err := newSpeaker(&net.Dialer{}, address, legacy.Hixie76) // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, err := startActivated(t, "$$", "ws76.socket", sockets, "WS76_BACKEND=http://"+backend); err != nil {
		t.Fatal(err)
	}
	if err := waiting.open("/echo"); err != nil {
		t.Error(err)
	}
}

// Sockets that are for another process are left alone.
func TestSocketsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	sockets := openSockets(t, 1)
	p, err := startActivated(t, "1", "ws76.socket", sockets)
	if err != nil {
		t.Fatal(err)
	}
	if p.listen == sockets[0].Addr().String() {
		t.Error("it uses the socket of process 1")
	}
}

// A socket that no setting has a place for is an error.
func TestSocketsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for names, want := range map[string]string{
		"a:b": "systemd has passed on",
		"tls": "WS76_TLS_LISTEN",
	} {
		p, err := startActivated(t, "$$", names, openSockets(t, strings.Count(names, ":")+1))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", names, p, err, want)
		}
	}
}

// The socket named tls replaces WS76_TLS_LISTEN.
func TestSocketActivationTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writeNewPEM(dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := func(suffix string) string {
		i := slices.IndexFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), suffix) })
		return filepath.Join(dir, files[i].Name())
	}
	sockets := openSockets(t, 2)
	p, err := startActivated(t, "$$", "clients:tls", sockets,
		"WS76_TLS_LISTEN=127.0.0.1:0", "WS76_TLS_CERT="+name(".pem"), "WS76_TLS_KEY="+name(".key"))
	if err != nil {
		t.Fatal(err)
	}
	if want := sockets[1].Addr().String(); !strings.Contains(p.log(), `"tls_listen":"`+want) {
		t.Errorf("it does not serve TLS on %s:\n%s", want, p.log())
	}
}

// No client is refused while ws76 is restarted again and again, whether it comes before,
// during or after.
func TestRestartsRefuseNobody(t *testing.T) {
	t.Parallel()
	backend := startBackendProcess(t).address
	sockets := openSockets(t, 1)
	start := func() *process {
		p, err := startActivated(t, "$$", "ws76.socket", sockets, "WS76_BACKEND=http://"+backend)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	var clients sync.WaitGroup
	defer clients.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience} // a connection for each request
	var served atomic.Int64
	for range 4 {
		clients.Go(func() {
			for ; ctx.Err() == nil; served.Add(1) {
				resp, err := once.Get("http://" + sockets[0].Addr().String() + "/plain")
				if err != nil {
					t.Errorf("after %d: %v", served.Load(), err)
					continue
				}
				if resp.Body.Close(); resp.StatusCode != http.StatusOK {
					t.Errorf("after %d: %s", served.Load(), resp.Status)
				}
			}
		})
	}
	for range 10 {
		p, before := start(), served.Load()
		eventually(t, "request served", func() bool { return served.Load() >= before+20 })
		if err := p.signal(); err != nil {
			t.Fatal(err)
		}
		if state, err := p.wait(); err != nil || !state.Success() {
			t.Fatalf("%v, %v\n%s", state, err, p.log())
		}
	}
	start() // for those who wait
}
