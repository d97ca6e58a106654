package logging

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// Of warnings that clients cause the first is logged, and then one a minute.
func TestRepeatedWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &gate{open: make(chan struct{})}
		close(out.open)
		log := New(&config.Config{LogLevel: "info"}, out)
		gateway := log.Named("gateway")
		lines := func(want ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			for line := range strings.Lines(out.take()) {
				_, line, _ = strings.Cut(line, "] ")
				got = append(got, strings.TrimSpace(line))
			}
			if !slices.Equal(got, want) {
				t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		refused := func(n int, reason, dialect string) {
			for i := range n {
				gateway.Warn("refused", "dialect", dialect, "client", fmt.Sprintf("192.0.2.%d:%d", i%200, 1000+i), "reason", reason)
			}
		}
		refused(300, "bad-request", "76")
		lines("ws76.gateway: refused: dialect=76 client=192.0.2.0:1000 reason=bad-request")
		refused(1, "bad-request", "75")
		refused(1, "bad-origin", "76")
		lines("ws76.gateway: refused: dialect=75 client=192.0.2.0:1000 reason=bad-request", "ws76.gateway: refused: dialect=76 client=192.0.2.0:1000 reason=bad-origin")
		time.Sleep(time.Minute)
		lines("ws76.gateway: refused: dialect=76 client=192.0.2.99:1299 reason=bad-request repeated=299 clients=100")
		refused(3, "bad-request", "76")
		refused(3, "bad-request", "76")
		lines()
		time.Sleep(time.Minute)
		lines("ws76.gateway: refused: dialect=76 client=192.0.2.2:1002 reason=bad-request repeated=6 clients=3")
		time.Sleep(2 * time.Minute)
		lines()
		refused(2, "bad-request", "76")
		lines("ws76.gateway: refused: dialect=76 client=192.0.2.0:1000 reason=bad-request")
		log.Flush()
		lines("ws76.gateway: refused: dialect=76 client=192.0.2.1:1001 reason=bad-request repeated=1 clients=1")

		for range 2 { // of each slip
			gateway.Warn("slip", "client", "192.0.2.1:1", "slip", "no location")
			gateway.Warn("slip", "client", "192.0.2.1:1", "slip", "byte order")
		}
		lines(`ws76.gateway: slip: client=192.0.2.1:1 slip="no location"`, `ws76.gateway: slip: client=192.0.2.1:1 slip="byte order"`)
		log.Flush()
		out.take()

		for range 2 {
			gateway.Log(hclog.Warn, "logged", "client", "192.0.2.1:1", "forwarded_for", "198.51.100.1")
			log.Warn("about the gateway itself")
			gateway.Info("opened", "client", "192.0.2.1:1")
		}
		lines("ws76.gateway: logged: client=192.0.2.1:1 forwarded_for=198.51.100.1", "ws76: about the gateway itself", "ws76.gateway: opened: client=192.0.2.1:1",
			"ws76: about the gateway itself", "ws76.gateway: opened: client=192.0.2.1:1")
		log.Flush()
	})
}

// A line with a reason says which variable to change, or what else.
func TestRemedies(t *testing.T) {
	var out bytes.Buffer
	log := New(&config.Config{LogLevel: "info", Backend: config.BackendURL{Address: "127.0.0.1:8080"}}, &out)
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	for _, tt := range []struct {
		args []any
		want string
	}{
		{[]any{"reason", "origin-not-allowed"}, `change="WS76_ORIGINS, `},
		{[]any{"reason", "backend-unreachable", "error", refused}, `change="is the app running? 127.0.0.1 is this machine or container itself: `},
		{[]any{"reason", "backend-bad-answer", "error", fmt.Errorf(`malformed HTTP response "\x15\x03\x01\x00\x02\x02\x16"`)}, `change="this address speaks TLS; WS76_BACKEND has to begin with https://"`},
		{[]any{"reason", "backend-bad-answer", "error", fmt.Errorf("%w after 0 bytes of the answer", io.EOF)}, `change="the app ends the connection without an answer; if this address speaks TLS, WS76_BACKEND has to begin with https://"`},
		{[]any{"reason", "backend-bad-answer", "error", os.NewSyscallError("read", syscall.ECONNRESET)}, `change="the app ends the connection without an answer; `},
		{[]any{"status", 400, "reason", "backend-refused"}, `change="so answers a port of TLS too; has WS76_BACKEND to begin with https://?"`},
		{[]any{"status", 403, "reason", "backend-refused"}, ""},
		{[]any{"reason", "client-closed"}, ""},
		{[]any{"reason", "idle", "change", "mine"}, "change=mine"},
	} {
		out.Reset()
		log.Info("line", tt.args...)
		if got := out.String(); !strings.Contains(got, tt.want) || strings.Contains(got, "change=") != (tt.want != "") {
			t.Errorf("%v: %q, want %q", tt.args, got, tt.want)
		}
	}
	for reason, remedy := range remedies {
		for _, name := range regexp.MustCompile(`WS76_\w+`).FindAllString(remedy, -1) {
			if !slices.Contains(config.Names(), name) {
				t.Errorf("%s: there is no %s", reason, name)
			}
		}
	}
}
