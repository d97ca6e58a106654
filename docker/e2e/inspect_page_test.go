package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy/legacytest"
)

// connect opens a WebSocket that ends with the test.
func connect(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: patience}
	c, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// hit presses keys as a person does.
func hit(t *testing.T, ctx context.Context, keys string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(keys)); err != nil {
		t.Fatal(err)
	}
}

const listed = `[...document.querySelectorAll('#connections li:not([hidden]) .path')].map(e => e.textContent).join()`

// All of the inspector can be done with the keyboard, everything has a name for a screen
// reader, and it fits a telephone in the dark.
func TestInspectorByKeyboard(t *testing.T) {
	require(t, "chromium")
	b := startBackend(t)
	g, admin := startInspected(t, b.address)
	c := connect(t, "ws://"+g.listen+"/socket/open")
	c.WriteMessage(websocket.TextMessage, []byte("needle"))
	if _, _, err := websocket.DefaultDialer.Dial("ws://"+g.listen+"/locked", nil); err == nil {
		t.Error("/locked is open")
	}
	downgraded(t, g.listen)
	ctx, cancel := context.WithTimeout(startChromium(t), 2*patience)
	defer cancel()
	visit(t, ctx, "http://"+admin+"/inspect")
	await(t, ctx, listed+` === '/socket/old,/locked,/socket/open'`)

	// The list, by text, dialect and state.
	for _, tt := range []struct{ id, value, want string }{
		{"find", "lock", "/locked"}, {"find", "backend-refused", "/locked"}, {"dialect", "13", "/locked,/socket/open"}, {"state", "open", "/socket/open"}, {"state", "refused", "/socket/old,/locked"},
	} {
		set(t, ctx, tt.id, tt.value)
		if got := call[string](t, ctx, listed); got != tt.want {
			t.Errorf("%s=%s shows %s, want %s", tt.id, tt.value, got, tt.want)
		}
		set(t, ctx, tt.id, "")
	}

	// From the top of the page to the refused handshake that a proxy damaged.
	for n := 0; !call[bool](t, ctx, `document.activeElement === document.querySelector('#connections button')`); n++ {
		if n == 6 {
			t.Fatal("the tabulator does not lead to the connections")
		}
		hit(t, ctx, kb.Tab)
	}
	hit(t, ctx, kb.Enter)
	await(t, ctx, `document.querySelector('#handshake').open`) // what is wrong is shown at once
	if fault := call[string](t, ctx, `document.querySelector('#card .fault').innerText`); !strings.Contains(fault, "Damaged on the way: downgraded by nginx") || !strings.Contains(fault, "nginx, in location: proxy_http_version 1.1;") {
		t.Errorf("the handshake shows %q", fault)
	}

	// Down to the open connection, and through its rows.
	call[bool](t, ctx, `(document.querySelector('#connections button').focus(), true)`)
	hit(t, ctx, kb.ArrowDown+kb.ArrowDown+kb.Enter)
	await(t, ctx, `document.querySelectorAll('.row').length >= 3`)
	hit(t, ctx, "/"+kb.Escape+"needle") // the protocol of Chromium types the / that the page prevents
	if got := call[string](t, ctx, `document.querySelector('#filter').value`); got != "needle" {
		t.Errorf("the filter is %q", got)
	}
	await(t, ctx, `document.querySelectorAll('.row:not([hidden])').length === 2`)
	hit(t, ctx, kb.Escape)
	await(t, ctx, `document.querySelectorAll('.row[hidden]').length === 0`)
	for n := 0; !call[bool](t, ctx, `document.activeElement.matches('.row')`); n++ {
		if n == 12 {
			t.Fatal("the tabulator does not lead to the rows")
		}
		hit(t, ctx, kb.Tab)
	}
	hit(t, ctx, kb.End+kb.Home+kb.ArrowDown+kb.Enter)
	if !call[bool](t, ctx, `document.activeElement === document.querySelectorAll('.row')[1] && !!document.activeElement.querySelector('.dump')`) {
		t.Error("the second row is not open")
	}
	hit(t, ctx, "t")
	await(t, ctx, `document.querySelector('#said').textContent === 'Copied as text'`)
	hit(t, ctx, "p")
	if !call[bool](t, ctx, `document.querySelector('#pause').getAttribute('aria-pressed') === 'true'`) {
		t.Error("p does not pause")
	}
	hit(t, ctx, "p")
	named(t, ctx)
	onATelephone(t, ctx)
}

// downgraded is a handshake of -76 that nginx has sent on in HTTP/1.0.
func downgraded(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /socket/old HTTP/1.0\r\nHost: %s\r\nX-Real-IP: 192.0.2.1\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Key1: 4 @1  46546xW%%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n", address)
	io.Copy(io.Discard, conn)
}

// named checks the tree that screen readers get.
func named(t *testing.T, ctx context.Context) {
	t.Helper()
	nodes, err := chromedp.Run(ctx, func(ctx context.Context, tab *chromedp.Target) ([]*accessibility.Node, error) {
		tree, err := cdp.Call(ctx, tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		return tree.Nodes, err
	})
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]int{}
	for _, n := range nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		roles[role]++
		if slices.Contains([]string{"button", "link", "searchbox", "combobox", "checkbox", "navigation", "main", "toolbar", "table", "columnheader"}, role) && (n.Name == nil || len(n.Name.Value) <= len(`""`)) {
			t.Errorf("a %s has no name", role)
		}
	}
	for role, least := range map[string]int{"navigation": 1, "main": 1, "toolbar": 1, "table": 1, "row": 4, "columnheader": 3, "cell": 6, "searchbox": 2, "combobox": 4, "button": 8, "link": 2, "checkbox": 1, "status": 2} {
		if roles[role] < least {
			t.Errorf("%d %ss, want %d: %v", roles[role], role, least, roles)
		}
	}
}

// onATelephone checks that nothing is wider than a small screen, and that the page is dark
// where the reader wants it so.
func onATelephone(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(360, 740)); err != nil {
		t.Fatal(err)
	}
	for _, view := range []string{"the connection", "the list"} {
		if got := call[int](t, ctx, `document.documentElement.scrollWidth - innerWidth`); got > 0 {
			t.Errorf("%s is %d px wider than the screen", view, got)
		}
		call[bool](t, ctx, `(document.querySelector('#back').click(), true)`)
	}
	_, err := chromedp.Run(ctx, func(ctx context.Context, tab *chromedp.Target) (cdp.Empty, error) {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
		return cdp.Empty{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	const brightness = `(c => (+c[0] + +c[1] + +c[2]) / 3)(getComputedStyle(document.body).backgroundColor.match(/\d+/g))`
	if got := call[float64](t, ctx, brightness); got > 80 {
		t.Errorf("in the dark the page has a brightness of %.0f of 255", got)
	}
}

// A flood is sampled: the page says what it left out, stays short and shows the newest;
// the export has all that is kept, and the replay of it goes as it went.
func TestInspectorFlood(t *testing.T) {
	require(t, "chromium")
	b := startBackend(t)
	g, admin := startInspected(t, b.address)
	ctx, cancel := context.WithTimeout(startChromium(t), 2*patience)
	defer cancel()
	c := connect(t, "ws://"+g.listen+"/socket/flood?token=sesame")
	visit(t, ctx, "http://"+admin+"/inspect")
	await(t, ctx, listed+` === '/socket/flood'`)
	click(t, ctx, "#connections button")
	await(t, ctx, `document.querySelectorAll('.row').length === 1`)

	const messages = 20_000
	began := time.Now()
	go func() {
		for n := range messages {
			if c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "flood %d", n)) != nil {
				return
			}
		}
	}()
	for n := range 1 + messages { // the welcome too
		if _, _, err := c.ReadMessage(); err != nil {
			t.Fatalf("message %d: %v", n, err)
		}
	}
	t.Logf("%.0f messages a second, each seen four times", 2*messages/time.Since(began).Seconds())
	await(t, ctx, fmt.Sprintf(`document.querySelector('.row:last-child')?.getAttribute('aria-label').includes('flood %d')`, messages-1))
	if !call[bool](t, ctx, `/^[\d,]+ rows are left out here: /.test(document.querySelector('.left-out')?.textContent)`) {
		t.Error("the page does not say what it left out")
	}
	if n := call[int](t, ctx, `document.querySelectorAll('.row').length`); n > 1000 {
		t.Errorf("the page has %d rows", n)
	}

	// Another connection, short enough to be kept whole, is exported and replayed.
	short := connect(t, "ws://"+g.listen+"/socket/short?token=sesame")
	for _, text := range []string{"a\u00e9\u20ac\U0001F600", "", "!burst 3"} {
		short.WriteMessage(websocket.TextMessage, []byte(text))
	}
	for range 6 {
		if _, _, err := short.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, ctx, `document.querySelector('#connections li:first-child')?.textContent.includes('↓ 6')`)
	export := call[string](t, ctx, `fetch('inspect/export?connection=2').then(r => r.text())`)
	if strings.Contains(export, "sesame") || strings.Count(export, "\n") != 10 {
		t.Errorf("the export is\n%s", export)
	}
	file := filepath.Join(t.TempDir(), "export.jsonl")
	if err := os.WriteFile(file, []byte(export), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "replay", file, "-backend", "http://"+b.address).CombinedOutput()
	if err != nil || strings.Count(string(out), `"got"`) != 6 || !strings.Contains(string(out), `"same": true`) {
		t.Errorf("replay: %v\n%s", err, out)
	}
}

// In front of a device of -76, the backend's wire is the old one.
func TestInspectorOfADevice(t *testing.T) {
	require(t, "chromium")
	device := strings.TrimPrefix(legacytest.NewServer(t, nil), "ws://")
	g, admin := startInspected(t, device, "WS76_BACKEND_DIALECT=76")
	ctx, cancel := context.WithTimeout(startChromium(t), 2*patience)
	defer cancel()
	c := connect(t, "ws://"+g.listen+"/readings")
	c.WriteMessage(websocket.TextMessage, []byte("Hello"))
	if _, message, err := c.ReadMessage(); string(message) != "Hello" {
		t.Fatalf("%q, %v", message, err)
	}
	visit(t, ctx, "http://"+admin+"/inspect")
	await(t, ctx, listed+` === '/readings'`)
	click(t, ctx, "#connections button")
	await(t, ctx, `document.querySelectorAll('.row').length === 2`)
	got := call[[]string](t, ctx, `[...document.querySelectorAll('.row .wire')].map(w => [...w.querySelectorAll('.h, .k, .p, .t')].map(s => s.className + ':' + (s.className === 'k' || w.querySelector('.k') && s.className === 'p' ? s.textContent.split(' ').length : s.textContent)).join(' '))`)
	if want := []string{"h:81 85 k:4 p:5", "h:00 p:48 65 6c 6c 6f t:ff", "h:81 05 p:48 65 6c 6c 6f", "h:00 p:48 65 6c 6c 6f t:ff"}; !slices.Equal(got, want) {
		t.Errorf("the wires are %q, want %q", got, want)
	}
	if about := call[string](t, ctx, `document.querySelector('#about').textContent`); !strings.HasPrefix(about, "dialect 13 → 76") {
		t.Errorf("the title says %q", about)
	}
	file := filepath.Join(t.TempDir(), "export.jsonl")
	if err := os.WriteFile(file, []byte(call[string](t, ctx, `fetch('inspect/export').then(r => r.text())`)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "replay", file, "-backend", "http://"+device).CombinedOutput(); err != nil || !strings.Contains(string(out), `"same": true`) {
		t.Errorf("replay: %v\n%s", err, out)
	}
}
