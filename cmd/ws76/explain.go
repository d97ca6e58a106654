package main

import (
	"context"
	"io"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/selftest"
)

// explain prints what the code of a self-test says. A code may be in groups.
func explain(_ context.Context, args []string, stdout, _ io.Writer) error {
	words, err := parseFlags(newFlags("explain"), args)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return usagef("explain takes the code of a self-test (WS76_SELFTEST)")
	}
	if err := selftest.Explain(strings.Join(words, ""), stdout); err != nil {
		return usagef("explain %q: %w", strings.Join(words, " "), err)
	}
	return nil
}
