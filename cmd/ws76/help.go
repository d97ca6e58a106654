package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

func help(_ context.Context, args []string, stdout, _ io.Writer) error {
	if err := noArguments("help", args); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "ws76 lets WebSocket clients of 2009-2011 (-76, -75) use servers of today (RFC 6455).\n\nUsage: ws76 [verb]")
	for _, v := range verbs() {
		fmt.Fprintf(stdout, "  %-8s %s\n", v.name, v.help)
	}
	fmt.Fprint(stdout, "\nVariables; one that is set but empty counts as unset:\n\n"+configTable())
	return nil
}

func version(_ context.Context, args []string, stdout, _ io.Writer) error {
	if err := noArguments("version", args); err != nil {
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
