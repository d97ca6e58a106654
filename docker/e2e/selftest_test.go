package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A selftest is what the page of WS76_SELFTEST shows when it is done.
type selftest struct {
	Code, Verdict string
	Rows          []string
	Errors        []string // of the page, and what it wrote to the console
}

// lacks returns which of the rows, label and text, the page does not show.
func (s selftest) lacks(rows ...string) (missing []string) {
	all := "\n" + strings.Join(s.Rows, "\n") + "\n"
	for _, row := range rows {
		if !strings.Contains(all, "\n"+row) {
			missing = append(missing, row)
		}
	}
	return missing
}

// working are the rows of a device and a way to it that have no fault.
var working = []string{
	"WebSocket: OK", "Opening: OK, in ", "A character of 1 byte: OK", "A character of 2 bytes: OK", "A character of 3 bytes: OK", "A character of 4 bytes: OK",
	"64 KiB: OK", "100 messages: OK", "Round trip: ", "Close: ", "new WebSocket(url, 'name'): OK", "new WebSocket(url, ['name']): OK",
}

// A way is what is between the device and ws76.
type way struct {
	name, config string   // below docker/proxies; empty: nothing is between
	edit         []string // of the configuration: old, new, ...
	settings     []string // of ws76

	phantom, chromium string // what explain finds wrong; empty: nothing
	change            string // the line that it says
}

var ways = []way{
	{name: "directly"},
	{name: "nginx", config: "nginx-http/nginx.conf"},
	{
		name: "nginx without proxy_http_version 1.1", config: "nginx-http/nginx.conf", edit: []string{"proxy_http_version 1.1;", "proxy_http_version 1.0;"},
		phantom: "fault on the way downgraded", chromium: "fault on the way downgraded", change: "change: nginx, in location: proxy_http_version 1.1;",
	}, {
		name: "nginx without Upgrade", config: "nginx-http/nginx.conf",
		edit:    []string{"proxy_set_header Upgrade $http_upgrade;", "", "proxy_set_header Connection $connection_upgrade;", ""},
		phantom: "fault on the way stripped", chromium: "fault on the way stripped", change: "pass Upgrade, Connection and Host through unchanged",
	}, {
		name: "Caddy 2.6, which loses key3", config: "caddy/Caddyfile", settings: []string{"WS76_KEY3_TIMEOUT=1s"},
		phantom: "fault on the way held", change: "change: Caddy before 2.11 loses key3",
	},
}

// A device says by its browser alone what breaks on the way, and ws76 explain says what to
// change.
func TestSelftest(t *testing.T) {
	require(t, "chromium", "nginx", "caddy")
	phantom := requirePhantom(t)
	tab := startChromium(t)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(tab, 2*patience)
			defer cancel()
			g := startGateway(t, startBackend(t).address, append(w.settings, "WS76_SELFTEST=/selftest")...)
			address := g.listen
			if w.config != "" {
				address = startProxy(t, w.config, g.listen, w.edit...)
			}
			old := phantom.selftest(t, ctx, "http://"+address+"/selftest")
			check(t, "PhantomJS", old, "76", w.phantom, w.change)
			if len(old.Errors) > 0 && w.phantom == "" {
				t.Errorf("PhantomJS: %q", old.Errors)
			}
			modern := chromiumSelftest(t, ctx, "http://"+address+"/selftest")
			check(t, "Chromium", modern, "13", w.chromium, w.change)
			if failed := len(modern.Errors) > 0; failed != (w.chromium != "") { // it writes of each WebSocket that fails
				t.Errorf("Chromium: %q", modern.Errors)
			}
		})
	}
}

// check compares what a browser shows, and what its code means, with what is wrong.
func check(t *testing.T, browser string, got selftest, dialect, wrong, change string) {
	t.Helper()
	explained := explain(t, got.Code)
	if wrong == "" {
		if missing := got.lacks(append(working, "The server got: ")...); missing != nil || !strings.HasPrefix(got.Verdict, "All works") {
			t.Errorf("%s: %s; it lacks %q:\n%s", browser, got.Verdict, missing, strings.Join(got.Rows, "\n"))
		}
		wrong, change = "what arrived at ws76 "+dialect, "Everything works."
	} else if got.lacks("Opening: ", "On the way: SOMETHING BETWEEN") != nil || !strings.HasPrefix(got.Verdict, "Something fails") {
		t.Errorf("%s: %s\n%s", browser, got.Verdict, strings.Join(got.Rows, "\n"))
	}
	for _, want := range []string{wrong, change} {
		if !strings.Contains(explained, want) {
			t.Errorf("%s: %s means\n%s\nwithout %q", browser, got.Code, explained, want)
		}
	}
}

// explain is what ws76 explain says of a code, with single spaces.
func explain(t *testing.T, code string) string {
	t.Helper()
	if digits := strings.ReplaceAll(code, " ", ""); len(digits) != 12 {
		t.Errorf("the code is %q", code)
	}
	out, err := exec.Command(program, append([]string{"explain"}, strings.Fields(code)...)...).CombinedOutput()
	if err != nil {
		t.Errorf("explain %s: %v", code, err)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// selftest opens the page.
func (p phantom) selftest(t *testing.T, ctx context.Context, url string) (s selftest) {
	t.Helper()
	out, err := exec.CommandContext(ctx, string(p), "--ssl-certificates-path=/nonexistent", filepath.Join(clients, "selftest.js"), url).CombinedOutput()
	if err != nil {
		t.Fatalf("PhantomJS: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("PhantomJS prints %q: %v", out, err)
	}
	return s
}

const shown = `({ Code: document.querySelector('#code').textContent, Verdict: document.querySelector('#verdict').textContent, Rows: [...document.querySelectorAll('#rows p')].map(p => p.textContent) })`

func chromiumSelftest(t *testing.T, ctx context.Context, url string) selftest {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var complaints []string
	chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			complaints = append(complaints, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			complaints = append(complaints, fmt.Sprint(e.Type))
		}
	})
	visit(t, ctx, url)
	await(t, ctx, `document.querySelector('#code').textContent`)
	s := call[selftest](t, ctx, shown)
	mu.Lock()
	defer mu.Unlock()
	s.Errors = complaints
	return s
}

// The text field tries a path of the app, and the code has how that went.
func TestSelftestOfTheApp(t *testing.T) {
	require(t, "chromium")
	g := startGateway(t, startBackend(t).address, "WS76_SELFTEST=/selftest")
	ctx, cancel := context.WithTimeout(startChromium(t), 2*patience)
	defer cancel()
	before := chromiumSelftest(t, ctx, "http://"+g.listen+"/selftest").Code
	for _, tt := range []struct{ path, row, means string }{
		{"/socket/kiosk", "opens", "a path of the app opened Everything works."},
		{"nowhere", "DOES NOT OPEN", "a path of the app: failed. change: the app, or the path"},
	} {
		set(t, ctx, "path", tt.path)
		click(t, ctx, "#try")
		await(t, ctx, fmt.Sprintf(`document.querySelector('#code').textContent !== %q && document.querySelector('#rows p:last-child').textContent.endsWith(%q)`, before, ": "+tt.row))
		s := call[selftest](t, ctx, shown)
		if explained := explain(t, s.Code); !strings.Contains(explained, tt.means) {
			t.Errorf("%s: %s means\n%s", tt.path, s.Code, explained)
		}
		before = s.Code
	}
	for _, screen := range [][2]int64{{1920, 1080}, {1280, 720}, {600, 800}} { // two TVs and a Kindle
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(screen[0], screen[1])); err != nil {
			t.Fatal(err)
		}
		if !call[bool](t, ctx, `document.querySelector('#code').getBoundingClientRect().bottom < innerHeight && document.documentElement.scrollWidth <= innerWidth && parseFloat(getComputedStyle(document.querySelector('#rows p')).fontSize) >= 22`) {
			t.Errorf("%d: the code is not on the first screen, or small", screen)
		}
	}
}

// startProxy starts nginx or Caddy in front of a gateway, with a configuration of
// docker/proxies that is changed by pairs of old and new, and is where it listens.
func startProxy(t *testing.T, config, gateway string, edit ...string) (address string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "proxies", filepath.FromSlash(config)))
	if err != nil {
		t.Fatal(err)
	}
	address = freeAddress(t)
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(address)
	_, gatewayPort, _ := net.SplitHostPort(gateway)
	edit = append(edit, "/run/nginx-http", dir, "access_log off;", "access_log off; client_body_temp_path "+dir+"/body;", "ws76", "127.0.0.1", "8076", gatewayPort, "0.0.0.0", "127.0.0.1", "8080", port)
	file := filepath.Join(dir, filepath.Base(config))
	if err := os.WriteFile(file, []byte(strings.NewReplacer(edit...).Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-e", "stderr", "-g", "daemon off;", "-c", file)
	if filepath.Dir(config) == "caddy" {
		cmd = exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", file)
	}
	cmd.Env = append(os.Environ(), "HOME="+dir)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", cmd, output.String())
		}
	})
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Since(began) > patience {
			t.Fatalf("%s does not listen: %v", cmd, err)
		}
	}
}

// freeAddress is one of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
