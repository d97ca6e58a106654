// Package e2e has the tests of ws76 that need a browser of today, Docker or a bad
// network, and those of the files beside it that others read: Kubernetes, systemd,
// Grafana, Prometheus.
package e2e

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience ends what would otherwise hang. No test waits for it to pass.
const patience = 30 * time.Second

// Chromium and PhantomJS use one port at the same time: Chromium's WebSocket is
// open before PhantomJS starts, and is closed after PhantomJS has ended.
func TestChromiumAndPhantomJS(t *testing.T) {
	require(t, "chromium")
	phantom := requirePhantom(t)
	b := startBackend(t)
	g := startGateway(t, b.address)
	ctx, cancel := context.WithTimeout(startChromium(t), patience)
	defer cancel()
	visit(t, ctx, "http://"+g.listen+"/")

	opened := call[struct{ Extensions, Welcome string }](t, ctx, `openSocket("/socket/chromium")`)
	if !strings.Contains(opened.Extensions, "permessage-deflate") || opened.Welcome != "welcome" {
		t.Errorf("Chromium's WebSocket opened with %+v, want permessage-deflate and a welcome", opened)
	}
	phantomEnd := phantom.start(ctx, "ws://"+g.listen+"/socket/phantom", "all", "http://kiosk.example/")

	for _, echo := range []string{`echoText()`, `echoBinary()`} {
		if !call[bool](t, ctx, echo) {
			t.Errorf("%s: what Chromium got is not what it had sent", echo)
		}
	}
	if got, want := call[[]string](t, ctx, fmt.Sprintf(`stream("/events", %d)`, len(events))), events; !slices.Equal(got, want) {
		t.Errorf("Chromium got the events %q, want %q", got, want)
	}
	posts(t, ctx)

	if err := <-phantomEnd; err != nil {
		t.Error(err)
	}
	want := conversation{path: "/socket/phantom", origin: "http://kiosk.example", messages: 510, code: 1001}
	if got := b.next(t, ctx); got != want {
		t.Errorf("of PhantomJS the backend saw\n%+v, want\n%+v", got, want)
	}
	g.closed(t, ctx, map[string]any{"path": want.path, "dialect": "76", "messages_up": 510.0, "messages_down": 1010.0})

	type closing struct {
		Code     int
		WasClean bool
	}
	if got, want := call[closing](t, ctx, `closeSocket(4001, "enough")`), (closing{4001, true}); got != want {
		t.Errorf("Chromium's WebSocket closed with %+v, want %+v", got, want)
	}
	got := b.next(t, ctx)
	if !strings.Contains(got.extensions, "permessage-deflate") {
		t.Errorf("Chromium's offer reached the backend as %q", got.extensions)
	}
	want = conversation{"/socket/chromium", "http://" + g.listen, got.extensions, 2, 4001, "enough"}
	if got != want {
		t.Errorf("of Chromium the backend saw\n%+v, want\n%+v", got, want)
	}
	line := g.closed(t, ctx, map[string]any{"path": want.path, "dialect": "13"})
	for _, direction := range []string{"bytes_up", "bytes_down"} {
		if n, ok := line[direction].(float64); !ok || n == 0 || n > 50_000 {
			t.Errorf("the log says %s=%v of Chromium; 100 KB deflated are fewer", direction, line[direction])
		}
	}
}

// A WebSocket that is refused is that for Chromium too, and does no harm to
// what it does next on the same port.
func TestChromiumRefused(t *testing.T) {
	require(t, "chromium")
	g := startGateway(t, startBackend(t).address)
	browser := startChromium(t)
	for _, tt := range []struct {
		path   string
		status float64
		says   string // in Chromium's words
	}{
		{"/locked", 401, "HTTP Authentication failed"},
		{"/nowhere", 404, "Unexpected response code: 404"},
	} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(browser, patience)
			defer cancel()
			visit(t, ctx, "http://"+g.listen+"/")
			complaint := webSocketError(ctx)

			type refusal struct {
				Events   []string
				Code     int
				WasClean bool
			}
			got, want := call[refusal](t, ctx, fmt.Sprintf("refused(%q)", tt.path)), refusal{[]string{"error", "close"}, 1006, false}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("Chromium's WebSocket ended with %+v, want %+v", got, want)
			}
			if text, err := complaint(); err != nil || !strings.Contains(text, tt.says) {
				t.Errorf("Chromium says %q, %v, want %q", text, err, tt.says)
			}
			if line := g.logged(t, ctx, "opening handshake refused"); line["path"] != tt.path || line["status"] != tt.status {
				t.Errorf("the log says path=%v status=%v, want %s, %v", line["path"], line["status"], tt.path, tt.status)
			}
			posts(t, ctx)
		})
	}
}

// posts checks that 1 MiB that the page posts arrives.
func posts(t *testing.T, ctx context.Context) {
	t.Helper()
	if n := call[int](t, ctx, `post("/length", 1 << 20)`); n != 1<<20 {
		t.Errorf("of 1 MiB posted %d bytes arrived", n)
	}
}
