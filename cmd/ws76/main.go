// Command ws76 lets WebSocket clients of 2009-2011, which speak the drafts -76
// and -75, use servers of today, which speak RFC 6455.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/cmd/ws76/internal/logging"
	"github.com/ws76/ws76/cmd/ws76/internal/manual"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // it ran and failed
	exitUsage  = 2 // it did not start because of an argument or variable
	exitBroken = 3 // a connection of connect was open and ended otherwise than its dialect does
)

// flushTimeout is how long the end waits for stderr to be read.
const flushTimeout = time.Second

// A verb is one word after ws76; run returns when it is done or ctx ends.
type verb struct {
	manual.Verb
	run func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	stderr := logging.NewQueue(os.Stderr)
	status := run(ctx, os.Args[1:], os.Stdout, stderr)
	stderr.Flush(flushTimeout)
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := "serve"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-v", "-version", "--version":
		name = "version"
	}
	v, err := verbOf(name)
	if err == nil {
		err = v.run(ctx, args, stdout, stderr)
	}
	if asked := new(helpError); errors.As(err, asked) {
		v.Flags = asked.flags
		fmt.Fprint(stdout, v.Text())
		return exitOK
	}
	return status(err, stderr)
}

// verbOf returns the verb of a name; the error names the nearest one.
func verbOf(name string) (verb, error) {
	var names []string
	for _, v := range verbs() {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	return verb{}, usagef("%q is not a verb of ws76; did you mean %s? ws76 help lists them", name, config.Nearest(name, names))
}

// status prints an error and turns it into an exit status.
func status(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	if strings.TrimSpace(os.Getenv("WS76_LOG_FORMAT")) == "json" {
		logging.JSONError(stderr, err)
	} else {
		fmt.Fprintf(stderr, "ws76: %v\n", err)
	}
	if errors.As(err, new(usageError)) || errors.As(err, new(config.Errors)) {
		return exitUsage
	}
	if coded := new(exitError); errors.As(err, coded) {
		return coded.status
	}
	return exitFailed
}

// An exitError has an exit status of its own.
type exitError struct {
	error
	status int
}

func (e exitError) Unwrap() error { return e.error }

// A usageError needs another command line or environment.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
