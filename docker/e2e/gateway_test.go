package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// program is ws76, which TestMain builds.
var program string

func TestMain(m *testing.M) {
	log.SetFlags(0)
	dir, err := os.MkdirTemp("", "ws76-e2e-")
	if err != nil {
		log.Fatal(err)
	}
	program = filepath.Join(dir, "ws76")
	status := 1
	if err := build(program); err != nil {
		log.Print(err)
	} else {
		status = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// build builds ws76, with the race detector if these tests have it.
func build(program string) error {
	args := []string{"build", "-buildvcs=false", "-o", program}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/ws76")...)
	cmd.Dir = filepath.Join("..", "..") // with its go.mod, not with ours
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v\n%s", cmd, err, out)
	}
	return nil
}

// A gateway is a process of ws76.
type gateway struct {
	listen string // where clients connect
	lines  chan map[string]any

	mu  sync.Mutex // guards log
	log strings.Builder
}

// startGateway starts ws76 serve and waits until it serves. When the test is
// over, it must end in good order.
func startGateway(t *testing.T, backend string, variables ...string) *gateway {
	t.Helper()
	g := &gateway{lines: make(chan map[string]any, 1024)}
	cmd := exec.Command(program, "serve")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WS76_") })
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0", "WS76_LISTEN=127.0.0.1:0", "WS76_ADMIN=off", "WS76_LOG_FORMAT=json", "WS76_BACKEND=http://"+backend)
	cmd.Env = append(cmd.Env, variables...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		g.follow(stderr)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		select {
		case <-followed:
		case <-ctx.Done():
			t.Error("the gateway does not end")
			cmd.Process.Kill()
			<-followed
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway ended: %v", err)
		}
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", g.text())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g.listen, _ = g.logged(t, ctx, "serving")["listen"].(string)
	return g
}

// follow reads the log to its end.
func (g *gateway) follow(stderr io.Reader) {
	defer close(g.lines)
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		g.mu.Lock()
		g.log.Write(append(scanner.Bytes(), '\n'))
		g.mu.Unlock()
		var fields map[string]any
		if json.Unmarshal(scanner.Bytes(), &fields) == nil {
			g.lines <- fields
		}
	}
}

func (g *gateway) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

// logged is the next line of the log with this message.
func (g *gateway) logged(t *testing.T, ctx context.Context, message string) map[string]any {
	t.Helper()
	for {
		select {
		case fields, ok := <-g.lines:
			if !ok {
				t.Fatal("the gateway has ended")
			}
			if fields["@message"] == message {
				return fields
			}
		case <-ctx.Done():
			t.Fatalf("wait for %q in the log: %v", message, ctx.Err())
		}
	}
}

// closed compares fields of the next line about a connection that was closed.
func (g *gateway) closed(t *testing.T, ctx context.Context, want map[string]any) map[string]any {
	t.Helper()
	line := g.logged(t, ctx, "connection closed")
	for key, value := range want {
		if line[key] != value {
			t.Errorf("the log says %s=%v, want %v", key, line[key], value)
		}
	}
	return line
}

// endOf is the reason, in the log so far, that a connection or an opening
// handshake has ended for; empty if there is none yet.
func (g *gateway) endOf(path string) string {
	for line := range strings.Lines(g.text()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["path"] == path && fields["reason"] != nil {
			return fmt.Sprint(fields["reason"])
		}
	}
	return ""
}
