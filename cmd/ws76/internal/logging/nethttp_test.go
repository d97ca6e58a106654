package logging

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// What net/http logs shows nothing that a peer has sent, and is sampled. What broke: what a
// backend sent behind a response was in the log, with every response.
func TestLinesOfNetHTTP(t *testing.T) {
	for _, test := range []struct {
		line func(i int) string // the i-th of its kind
		want string
	}{
		{func(int) string {
			return fmt.Sprintf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "SECRET \"\r\n\x00", nil)
		},
			`error="Unsolicited response received on idle HTTP channel starting with ***(11 bytes); err=<nil>"`},
		{func(i int) string {
			return fmt.Sprintf("http: TLS handshake error from 192.0.2.%d:%d: EOF", i, 1000+i)
		},
			`client=192.0.2.7:1007 error="http: TLS handshake error from 192.0.2.7:1007: EOF"`},
		{func(i int) string {
			return fmt.Sprintf("http: TLS handshake error from [2001:db8::%x]:%d: remote error", i, 1000+i)
		},
			`client=[2001:db8::7]:1007 error="http: TLS handshake error from [2001:db8::7]:1007: remote error"`},
		{func(i int) string {
			return fmt.Sprintf(`malformed MIME header: missing colon: %q`, strings.Repeat("SECRET", i))
		},
			`error="malformed MIME header: missing colon: ***(42 bytes)"`},
		{func(int) string { return `cut off: "SECRET` }, `error="cut off: ***(6 bytes)"`},
	} {
		var out bytes.Buffer
		l := New(&config.Config{LogLevel: "info"}, &out)
		for name, to := range map[string]*log.Logger{"http": log.Default(), "gateway": l.Named("gateway").StandardLogger(nil)} {
			out.Reset()
			to.Print(test.line(7))
			first := out.String()
			if want := "[WARN]  ws76." + name + ": net/http: " + test.want + "\n"; !strings.HasSuffix(first, want) {
				t.Errorf("got %s, want %s", first, want)
			}
			for i := range 300 {
				to.Print(test.line(i))
			}
			if out.String() != first {
				t.Errorf("repeated: %s", out.String()[len(first):])
			}
			l.Flush()
			if got := out.String(); strings.Contains(got, "SECRET") || strings.Count(got, "\n") != 2 || !strings.Contains(got, "repeated=300") {
				t.Errorf("got %s", got)
			}
		}
	}
}

// An error about a backend's response shows nothing of the response; what to change is told
// by the whole.
func TestErrorsOfBadAnswers(t *testing.T) {
	var out bytes.Buffer
	l := New(&config.Config{LogLevel: "info"}, &out)
	malformed := fmt.Errorf("connection broken: %w", errors.New(`malformed HTTP response "\x15\x03SECRET"`))
	l.Warn("request not proxied", "client", "192.0.2.1:1", "reason", "backend-bad-answer", "error", malformed)
	l.Info("opening handshake refused", "reason", "backend-bad-answer", "error", malformed)
	got := out.String()
	if strings.Contains(got, "SECRET") || strings.Count(got, `error="connection broken: malformed HTTP response ***(8 bytes)"`) != 2 || strings.Count(got, "https://") != 2 {
		t.Errorf("got %s", got)
	}
	out.Reset()
	l.Info("connection closed", "reason", "backend-closed", "error", errors.New(`the backend closed with 4000 "bye"`))
	if !strings.Contains(out.String(), "bye") {
		t.Errorf("got %s", out.String())
	}
}
