package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// checked runs ws76 check -backend for a backend.
func checked(t *testing.T, address string, settings ...string) (status int, printed string) {
	t.Helper()
	cmd := exec.Command("ws76", "check", "-backend", "-message", "hello")
	cmd.Env = append(append(environment(), hasty, "WS76_BACKEND=http://"+address), settings...)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// check -backend and probe say which version a backend speaks and what to set, and with
// that set check -backend is content.
func TestDialectOfDeviceIsFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		start   func(t *testing.T) string
		set     []string // what they say
		content string   // what check says then
	}{
		{"Perl-76", func(t *testing.T) string { requirePerl(t); return startDevice(t, []string{"perl", "device.pl", "76"}) },
			[]string{"WS76_BACKEND_DIALECT=76"}, "ok: / opens a WebSocket of -76\n"},
		{"Perl-75", func(t *testing.T) string { requirePerl(t); return startDevice(t, []string{"perl", "device.pl", "75"}) },
			[]string{"WS76_BACKEND_DIALECT=75", "WS76_BACKEND_LAX=on"}, "ok: / opens a WebSocket of -75\n"},
		{"13", func(t *testing.T) string { return gorillaBackend(t).address }, nil, "ok: / opens a WebSocket\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := test.start(t)
			_, probe, _ := probed(t, "ws://"+address+"/")
			if i := strings.Index(probe, " set WS76_"); (i >= 0) != (test.set != nil) || i >= 0 && probe[i:] != " set "+strings.Join(test.set, " and ")+".\n" {
				t.Errorf("probe says\n%s", probe)
			}
			if test.set != nil {
				for _, wrong := range []legacy.Dialect{legacy.RFC6455, legacy.Hixie75, legacy.Hixie76} {
					dialect := "WS76_BACKEND_DIALECT=" + wrong.String()
					if dialect == test.set[0] {
						continue
					}
					if status, said := checked(t, address, dialect); status != 1 || !containsAll(said, test.set) {
						t.Errorf("%s: check says %d\n%s", dialect, status, said)
					}
				}
			}
			status, said := checked(t, address, test.set...)
			if status != 0 || !strings.Contains(said, test.content) || !strings.Contains(said, "hello") && test.set != nil {
				t.Errorf("then check says %d\n%s", status, said)
			}
		})
	}
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}
