package demo

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// A watch is a writer that does something when it has seen a text.
type watch struct {
	bytes.Buffer
	text string
	then func()
}

func (w *watch) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.text) {
		w.then()
	}
	return n, err
}

// Without -once the demo explains what to try, and serves until it is ended.
func TestDemoStays(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout := &watch{text: "Ctrl-C ends it.", then: cancel}
	if err := Run(ctx, false, stdout); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"It works: ", "What next", "The gateway keeps serving on 127.0.0.1:", "ws76 help"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
}

// A demo that is ended before it begins says why it did nothing.
func TestDemoEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, true, new(bytes.Buffer)); err == nil || !strings.HasPrefix(err.Error(), "demo: ") {
		t.Errorf("error %v, want one that begins with demo:", err)
	}
}
