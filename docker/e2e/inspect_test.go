package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"
)

// startInspected starts ws76 with the inspector, and is its admin port too.
func startInspected(t *testing.T, backend string, variables ...string) (g *gateway, admin string) {
	t.Helper()
	g = startGateway(t, backend, append([]string{"WS76_ADMIN=127.0.0.1:0", "WS76_INSPECT=on"}, variables...)...)
	if !strings.Contains(g.text(), "the inspector is on: ") {
		t.Error("the log does not warn of the inspector")
	}
	for line := range strings.Lines(g.text()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["@message"] == "serving" {
			admin, _ = fields["admin"].(string)
		}
	}
	return g, admin
}

// await waits until the page says that an expression is true.
func await(t *testing.T, tab context.Context, expression string) {
	t.Helper()
	// Not chromedp.Poll, whose new Function the page's policy forbids.
	look := fmt.Sprintf(`new Promise(resolve => { const look = () => (%s) ? resolve(true) : setTimeout(look, 50); look(); })`, expression)
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](look, chromedp.EvalAwaitPromise)); err != nil {
		t.Fatalf("wait for %s: %v; the page shows\n%s", expression, err, call[string](t, tab, `document.body.innerText`))
	}
}

// An old client and a modern one talk, and the page shows both sides of what they say.
func TestInspector(t *testing.T) {
	require(t, "chromium")
	phantom := requirePhantom(t)
	b := startBackend(t)
	g, admin := startInspected(t, b.address)
	ctx, cancel := context.WithTimeout(startChromium(t), 2*patience)
	defer cancel()

	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)); err != nil {
		t.Fatal(err)
	}
	visit(t, ctx, "http://"+admin+"/inspect")
	await(t, ctx, `document.querySelector('#status').textContent === 'live' && !document.querySelector('#none').hidden`)
	if err := <-phantom.start(ctx, "ws://"+g.listen+"/socket/phantom?token=sesame", "astral", "http://kiosk.example/"); err != nil {
		t.Fatal(err)
	}
	modern, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+g.listen+"/socket/modern", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer modern.Close()
	const payload = `<script>document.title = "owned"</script><img src=x onerror="document.title='owned'">`
	if err := modern.WriteMessage(1, []byte(payload)); err != nil {
		t.Fatal(err)
	}

	// Both are in the list, live.
	await(t, ctx, `[...document.querySelectorAll('#connections .path')].map(e => e.textContent).join() === '/socket/modern,/socket/phantom'`)
	await(t, ctx, `document.querySelector('#connections li:last-child').textContent.match(/client-(closed|gone) by client/)`)

	// The old one: a message is one row across both wires.
	click(t, ctx, `#connections li:last-child button`)
	await(t, ctx, `document.querySelector('.row.end')`)
	type cells struct{ Client, Backend string }
	parts := call[cells](t, ctx, `(() => {
		const row = [...document.querySelectorAll('.row.client.text')].find(r => r.getAttribute('aria-label').includes('\u{1F600}'));
		const wire = n => [...row.querySelectorAll('.wire')[n].querySelectorAll('.h, .k, .p, .t')].map(s => s.className + ':' + (s.className === 'k' || n === 1 && s.className === 'p' ? s.textContent.split(' ').length : s.textContent)).join(' ');
		return { Client: wire(0), Backend: wire(1) };
	})()`)
	if want := (cells{"h:00 p:f0 9f 98 80 t:ff", "h:81 84 k:4 p:4"}); parts != want {
		t.Errorf("the row has %+v, want %+v", parts, want)
	}
	if n := call[int](t, ctx, `new Set(['h', 'k', 'p'].map(c => { const s = getComputedStyle(document.querySelector('#rows .' + c)); return s.fontStyle + s.fontWeight + s.textDecorationLine; })).size`); n != 3 {
		t.Errorf("header, key and payload have %d forms, want 3", n)
	}
	if text := call[string](t, ctx, `document.querySelector('.row.end').innerText`); !strings.Contains(text, "client-") {
		t.Errorf("the last row says %q", text)
	}
	click(t, ctx, `#handshake summary`)
	card := call[string](t, ctx, `document.querySelector('#card').innerText`)
	for _, want := range []string{"client → ws76, as received", "ws76 → backend, as sent", "Sec-WebSocket-Key1: ", "Sec-WebSocket-Version: 13", "digits ", "16 bytes", "MD5", "key3"} {
		if !strings.Contains(card, want) {
			t.Errorf("the handshake does not show %q:\n%s", want, card)
		}
	}
	if n := call[int](t, ctx, `document.querySelectorAll('#card .removed[data-mark="−"], #card .added[data-mark="+"]').length`); n < 4 {
		t.Errorf("%d fields are marked as changed", n)
	}
	click(t, ctx, `#handshake summary`)
	await(t, ctx, `document.getAnimations().length === 0`)
	screenshot(t, ctx)

	// Filters: text, direction, kind.
	total := call[int](t, ctx, `document.querySelectorAll('.row').length`)
	for _, tt := range []struct{ id, value, only string }{
		{"filter", "a\u00e9\u20ac", `r => r.getAttribute('aria-label').includes('a\u00e9\u20ac')`},
		{"filter", "f0 9f 98 80", `r => r.textContent.includes('f0 9f 98 80') || r.getAttribute('aria-label').includes('\u{1F600}')`},
		{"from", "backend", `r => r.classList.contains('backend')`},
		{"kind", "close", `r => r.classList.contains('close') || r.classList.contains('end')`},
	} {
		set(t, ctx, tt.id, tt.value)
		if n := call[int](t, ctx, `document.querySelectorAll('.row:not([hidden])').length`); n == 0 || n >= total {
			t.Errorf("%s=%s: %d of %d rows", tt.id, tt.value, n, total)
		}
		if !call[bool](t, ctx, `[...document.querySelectorAll('.row:not([hidden])')].every(`+tt.only+`)`) {
			t.Errorf("%s=%s shows other rows", tt.id, tt.value)
		}
		set(t, ctx, tt.id, "")
	}

	// The modern one, whose payload is text and nothing else.
	click(t, ctx, `#connections li:first-child button`)
	await(t, ctx, `document.querySelector('.row.client.text')`)
	click(t, ctx, `#as-text`)
	if text := call[string](t, ctx, `document.querySelector('.row.client.text .wire .p').textContent`); text != payload {
		t.Errorf("the payload is shown as %q", text)
	}
	if title := call[string](t, ctx, `document.title`); title != "ws76 inspector" || call[bool](t, ctx, `!!document.querySelector('#rows script, #rows img')`) {
		t.Errorf("the payload was run: the title is %q", title)
	}

	// Pause keeps what comes, and shows it when it goes on.
	click(t, ctx, `#pause`)
	if err := modern.WriteMessage(1, []byte("while paused")); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, `document.querySelector('#connections li:first-child').textContent.includes('↑ 2')`)
	const shown = `[...document.querySelectorAll('.row')].some(r => r.textContent.includes('while paused'))`
	if call[bool](t, ctx, shown) {
		t.Error("a row appears while the page is paused")
	}
	click(t, ctx, `#pause`)
	await(t, ctx, shown)

	// Export masks the query.
	export := call[string](t, ctx, `fetch(document.querySelector('#export-all').href).then(r => r.text())`)
	if lines := strings.Count(export, "\n"); lines < total || strings.Contains(export, "sesame") || !strings.Contains(export, `"kind":"text"`) {
		t.Errorf("the export has %d lines:\n%.2000s", lines, export)
	}
	accessible(t, ctx)
}

// accessible checks names and keys: everything that can be operated has a name, and a row
// is reached, opened and left with the keyboard.
func accessible(t *testing.T, ctx context.Context) {
	t.Helper()
	unnamed := call[[]string](t, ctx, `[...document.querySelectorAll('button, input, select, a, summary, nav, main, [role=table], [role=row]:not(.columns)')]
		.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label')?.textContent.trim())).map(e => e.outerHTML.slice(0, 120))`)
	if len(unnamed) > 0 {
		t.Errorf("without a name: %q", unnamed)
	}
	if n := call[int](t, ctx, `document.querySelectorAll('#rows [tabindex="0"]').length`); n != 1 {
		t.Errorf("%d rows are in the order of the tabulator, want 1", n)
	}
	call[bool](t, ctx, `(document.querySelector('#rows [tabindex="0"]').focus(), true)`)
	press(t, ctx, "ArrowDown")
	if !call[bool](t, ctx, `document.activeElement === document.querySelectorAll('.row')[1]`) {
		t.Error("the arrow key does not move to the second row")
	}
	press(t, ctx, "Enter")
	if !call[bool](t, ctx, `!!document.activeElement.querySelector('.dump')`) {
		t.Error("Enter does not open the row")
	}
	press(t, ctx, "c")
	await(t, ctx, `document.querySelector('#said').textContent === 'Copied as hex'`)
	press(t, ctx, "/")
	if id := call[string](t, ctx, `document.activeElement.id`); id != "filter" {
		t.Errorf("/ moves to %q, want the filter", id)
	}
}

func press(t *testing.T, ctx context.Context, key string) {
	t.Helper()
	call[bool](t, ctx, fmt.Sprintf(`document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: %q, bubbles: true, cancelable: true })) || true`, key))
}

func click(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	call[bool](t, ctx, fmt.Sprintf(`(document.querySelector(%q).click(), true)`, selector))
}

func set(t *testing.T, ctx context.Context, id, value string) {
	t.Helper()
	call[bool](t, ctx, fmt.Sprintf(`(e => (e.value = %q, e.dispatchEvent(new Event('input')), true))(document.getElementById(%q))`, value, id))
}

// screenshot takes the picture that the README shows, into the file that
// WS76_SCREENSHOT names.
func screenshot(t *testing.T, ctx context.Context) {
	t.Helper()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil || len(picture) < 10_000 {
		t.Fatalf("a screenshot of %d bytes: %v", len(picture), err)
	}
	if name := os.Getenv("WS76_SCREENSHOT"); name != "" {
		if err := os.WriteFile(name, picture, 0o644); err != nil {
			t.Error(err)
		}
	}
}

// A page of another site cannot read what the inspector shows, whatever name it has given
// to this machine.
func TestInspectorAgainstForeignPages(t *testing.T) {
	require(t, "chromium")
	b := startBackend(t)
	g, admin := startInspected(t, b.address)
	for _, tt := range []struct{ field, value string }{{"Host", "rebind.example"}, {"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"X-Forwarded-For", "192.0.2.7"}} {
		for _, path := range []string{"/inspect", "/inspect/events", "/inspect/export"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+admin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(tt.field, tt.value)
			if tt.field == "Host" {
				r.Host = tt.value
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s: %s gets %s, want 403", path, tt.field, tt.value, resp.Status)
			}
		}
	}
	ctx, cancel := context.WithTimeout(startChromium(t), patience)
	defer cancel()
	visit(t, ctx, "http://"+g.listen+"/") // another origin: the app's page
	for _, path := range []string{"/inspect/export", "/inspect/events"} {
		for _, mode := range []string{"cors", "no-cors"} {
			got := call[string](t, ctx, fmt.Sprintf(`fetch("http://%s%s", {mode: %q}).then(r => r.text()).then(text => 'read ' + text.length, () => 'read 0')`, admin, path, mode))
			if got != "read 0" {
				t.Errorf("%s, %s: a foreign page %s", path, mode, got)
			}
		}
	}
	if got := call[bool](t, ctx, fmt.Sprintf(`new Promise(resolve => { const s = new EventSource("http://%s/inspect/events"); s.onerror = () => { s.close(); resolve(false); }; s.addEventListener('connections', () => resolve(true)); })`, admin)); got {
		t.Error("a foreign page reads the events")
	}
}
