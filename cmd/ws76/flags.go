package main

import (
	"errors"
	"flag"
	"io"
	"regexp"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// A helpError asks for the help of the verb whose flags these are.
type helpError struct{ flags *flag.FlagSet }

func (helpError) Error() string { return flag.ErrHelp.Error() }

// newFlags returns the flags of a verb, to which the verb adds its own.
func newFlags(verb string) *flag.FlagSet {
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

var unknownFlag = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)

// parseFlags parses flags before and behind the arguments and returns the arguments.
// The error is a helpError for -h, and names the nearest flag for one that is unknown.
func parseFlags(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, helpError{flags}
		}
		if err != nil {
			return nil, usagef("%s: %w%s; see ws76 help %s", flags.Name(), err, suggestion(flags, err), flags.Name())
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}

// suggestion is the nearest flag for an error about an unknown one.
func suggestion(flags *flag.FlagSet, err error) string {
	unknown := unknownFlag.FindStringSubmatch(err.Error())
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if unknown == nil || len(names) == 0 {
		return ""
	}
	return ", did you mean -" + config.Nearest(unknown[1], names) + "?"
}

// parseOnlyFlags is parseFlags for a verb without arguments.
func parseOnlyFlags(flags *flag.FlagSet, args []string) error {
	rest, err := parseFlags(flags, args)
	if err == nil && len(rest) > 0 {
		return usagef("%s takes no arguments, not %q; settings are WS76_ variables, see ws76 help", flags.Name(), rest)
	}
	return err
}
