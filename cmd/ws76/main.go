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
	"syscall"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // it ran and something went wrong
	exitUsage  = 2 // it did not start: a wrong argument or variable
)

// A verb is one word after ws76; it returns when it is done or ctx ends.
type verb struct {
	name, help string
	run        func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// verbs is a function because help prints it.
func verbs() []verb {
	return []verb{
		{"serve", "run the gateway (the default)", serve},
		{"demo", "show a -76 client talking to an RFC 6455 backend; -once to end after it", demo},
		{"probe", "open a URL as clients of 2009 to today do, and say what a proxy on the way breaks; -help", probeURL},
		{"check", "validate the environment and the files that it names; -backend to connect to the backend too", check},
		{"health", "ask a running gateway whether it is alive: exit status 0 or 1", health},
		{"version", "print the version", version},
		{"help", "print this text and the variables", help},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
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
	for _, v := range verbs() {
		if v.name == name {
			return status(v.run(ctx, args, stdout, stderr), stderr)
		}
	}
	return status(usagef("%q is not a verb of ws76; ws76 help lists them", name), stderr)
}

// status prints an error and turns it into an exit status.
func status(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "ws76: %v\n", err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

// A usageError is the user's to mend before another start.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func noArguments(verb string, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, not %q; settings are WS76_ variables, see ws76 help", verb, args)
	}
	return nil
}
