package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/cmd/ws76/internal/manual"
)

const about = "ws76 lets WebSocket clients of 2009-2011 (drafts -76 and -75) use servers of today (RFC 6455). One port serves them, clients of today and plain HTTP."

// usage is examples of the whole.
var usage = []string{
	"WS76_BACKEND=http://127.0.0.1:8080 ws76",
	"ws76 check -backend",
	"ws76 probe ws://chat.example.com/socket",
	"ws76 demo -once",
}

// verbs is a function because help prints it.
func verbs() []verb {
	return []verb{
		{manual.Verb{
			Name: "serve", Summary: "run the gateway (the default)",
			About:    "SIGTERM and SIGINT drain: every connection is closed in its dialect within WS76_DRAIN_TIMEOUT. A second signal ends ws76 at once.",
			Examples: usage[:1],
		}, serve},
		{manual.Verb{
			Name: "demo", Summary: "show a -76 client talking to an RFC 6455 backend, every byte explained",
			Examples: []string{"ws76 demo -once"},
		}, runDemo},
		{manual.Verb{
			Name: "probe", Args: "URL", Summary: "open a URL as clients of 2009 to today do, and report what a proxy on the way breaks",
			About: probeAbout, Examples: []string{"ws76 probe ws://chat.example.com/socket", "ws76 probe -only 76,13 -json wss://chat.example.com/socket"},
		}, probeURL},
		{manual.Verb{
			Name: "connect", Args: "URL", Summary: "talk to a WebSocket as a client of any dialect",
			About: connectAbout, Examples: []string{"ws76 connect ws://chat.example.com/socket", "ws76 connect -dialect 13 -once hello -v wss://chat.example.com/socket"},
		}, runConnect},
		{manual.Verb{
			Name: "explain", Args: "CODE", Summary: "say what the code of a self-test means, and what to change",
			About:    "With WS76_SELFTEST=/path, ws76 answers at that path with a page that tests the WebSockets of the device that opens it. It ends with the code.",
			Examples: []string{"ws76 explain 10C7-16J0-000N"},
		}, explain},
		{manual.Verb{
			Name: "check", Summary: "validate the settings and the files that they name; nothing is started",
			Examples: []string{"ws76 check", "ws76 check -backend -path /chat"},
		}, runCheck},
		{manual.Verb{
			Name: "replay", Args: "FILE", Summary: "play an export of /inspect against a backend, and print what each side says as vectors",
			Examples: []string{"ws76 replay export.jsonl -backend http://127.0.0.1:8080"},
		}, replay},
		{manual.Verb{
			Name: "health", Summary: "ask a running ws76 with the same settings whether it is alive; exit status 0 or 1",
			Examples: []string{"ws76 health -ready"},
		}, health},
		{manual.Verb{Name: "version", Summary: "print the version"}, version},
		{manual.Verb{
			Name: "help", Args: "[verb]", Summary: "print the help of a verb, or that of all and the settings",
			Examples: []string{"ws76 help probe"},
		}, help},
	}
}

// help prints the manual: of all, of a verb, or as Markdown or a man page.
func help(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("help")
	markdown := flags.Bool("markdown", false, "print the verbs and the settings as Markdown")
	man := flags.Bool("man", false, "print the man page ws76(1)")
	names, err := parseFlags(flags, args)
	switch {
	case err != nil:
		return err
	case len(names) > 1:
		return usagef("help takes one verb, not %q", names)
	case len(names) == 1:
		v, err := verbOf(names[0])
		if err != nil {
			return err
		}
		v.Flags = flagsOf(ctx, v)
		fmt.Fprint(stdout, v.Text())
		return nil
	}
	var all []manual.Verb
	for _, v := range verbs() {
		v.Flags = flagsOf(ctx, v)
		all = append(all, v.Verb)
	}
	switch {
	case *markdown:
		fmt.Fprint(stdout, manual.Markdown(all)+config.Table())
	case *man:
		fmt.Fprint(stdout, manual.Man(about, all, usage))
	default:
		fmt.Fprint(stdout, manual.Overview(about, all, usage))
	}
	return nil
}

// flagsOf returns the flags of a verb, which -h makes it give away.
func flagsOf(ctx context.Context, v verb) *flag.FlagSet {
	var asked helpError
	errors.As(v.run(ctx, []string{"-h"}, io.Discard, io.Discard), &asked)
	return asked.flags
}

func version(_ context.Context, args []string, stdout, _ io.Writer) error {
	if err := parseOnlyFlags(newFlags("version"), args); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "ws76 %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// stamp is the version of a build that has no module version: the linker sets it.
var stamp string

// versionText is the stamp, the module's version, or the commit for a build from
// a checkout.
func versionText() string {
	if stamp != "" {
		return stamp
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return s.Value
		}
	}
	return info.Main.Version
}
