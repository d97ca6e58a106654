//go:build unix

package certs

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// A FIFO in the place of a certificate is refused at once. What broke: reading it waited
// for a writer, and with that all reloads.
func TestFIFOIsNoCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // or it waits for the time of two reloads
		cert, key := pair(t)
		dir := t.TempDir()
		files := [2]string{filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")}
		write := func(cert, key string) {
			t.Helper()
			for i, text := range []string{cert, key} {
				os.Remove(files[i])
				if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(cert, key)
		c, problems := newCertificate("WS76_TLS_CERT", "WS76_TLS_KEY", config.PEM(files[0]), config.PEM(files[1]))
		if problems != nil {
			t.Fatal(problems)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		defer func() { cancel(); <-done }()
		go func() {
			defer close(done)
			c.Watch(ctx, hclog.NewNullLogger())
		}()
		if err := os.Remove(files[0]); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(files[0], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, problems := newCertificate("WS76_TLS_CERT", "WS76_TLS_KEY", config.PEM(files[0]), config.PEM(files[1])); problems == nil || !strings.Contains(problems.Error(), "not a regular file") {
			t.Errorf("a FIFO: %v", problems)
		}
		await(t, "failed reload", func() bool { _, failed := c.Reloads(); return failed > 0 })
		write(pair(t))
		await(t, "reload", func() bool { ok, _ := c.Reloads(); return ok > 0 })
	})
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}
