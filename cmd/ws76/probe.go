package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/probe"
	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
)

// probing is a walk as it was asked for.
type probing struct {
	probe.Prober
	attempts []string
	chosen   bool // by -only
	json     bool
}

// probeURL opens a URL as all kinds of clients do. It is an error if one of
// them does not get through.
func probeURL(ctx context.Context, args []string, stdout, _ io.Writer) error {
	p, err := parseProbing(args)
	if err != nil {
		return err
	}
	report := &probeReport{terminal.NewPrinter(stdout)}
	if !p.json {
		report.begin(p)
	}
	results := []probe.Result{} // not nil: a JSON array in any case
	for _, name := range p.attempts {
		r := p.Try(ctx, name)
		if ctx.Err() != nil {
			break
		}
		results = append(results, r)
		if !p.json {
			report.row(r, p.counts(r))
		}
	}
	p.Explain(results)
	if p.json {
		err = writeJSON(stdout, results)
	} else {
		report.explain(results, p.counts)
	}
	return errors.Join(err, verdict(p, results))
}

// counts reports whether a result is a failure. That the first lines of a 101 are not
// those of -75 to the byte matters to the first WebKit only, and almost every proxy in
// HTTP mode changes them: it counts if it was asked for.
func (p *probing) counts(r probe.Result) bool {
	return r.Outcome != probe.Works && (p.chosen || !r.Informative())
}

// verdict is nil if everything that was asked for works.
func verdict(p *probing, results []probe.Result) error {
	broken := 0
	for _, r := range results {
		if p.counts(r) {
			broken++
		}
	}
	does := "do"
	if broken == 1 {
		does = "does"
	}
	switch all := plural(len(p.attempts), "attempt"); {
	case len(results) < len(p.attempts):
		return fmt.Errorf("interrupted after %d of %s", len(results), all)
	case broken > 0:
		return fmt.Errorf("%d of %s %s not work", broken, all, does)
	}
	return nil
}

// plural is n things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// probeFlags are the flags, and what they set.
func probeFlags(p *probing) *flag.FlagSet {
	p.attempts, p.Agent = probe.Attempts(), "ws76-probe/"+versionText()
	flags := newFlags("probe")
	flags.BoolVar(&p.json, "json", false, "print a JSON array of results")
	flags.DurationVar(&p.Timeout, "timeout", 5*time.Second, "for each attempt, a `duration`")
	flags.Func("only", "these attempts, a `list` separated by commas", func(s string) error {
		p.attempts, p.chosen = strings.Split(s, ","), true
		for _, name := range p.attempts {
			if !slices.Contains(probe.Attempts(), name) {
				return fmt.Errorf("allowed: %s", strings.Join(probe.Attempts(), ","))
			}
		}
		return nil
	})
	flags.StringVar(&p.Message, "message", "", "send this `text` where a handshake succeeds, and tell what comes back")
	clientFlags(flags, &p.Place, &p.Origin, &p.Protocol)
	return flags
}

// parseProbing takes flags before and behind the URL.
func parseProbing(args []string) (*probing, error) {
	p := &probing{}
	if err := parseClient(probeFlags(p), args, &p.Place, &p.Origin, &p.Protocol); err != nil {
		return nil, err
	}
	if p.Timeout <= 0 {
		return nil, usagef("probe: -timeout=%s is not positive", p.Timeout)
	}
	return p, nil
}

const probeAbout = `Opens the URL (ws, wss; http and https mean the same) as clients of 2009 to
today do, one after the other, and says what became of each and what to change.

  76           draft -76 as WebKit sends it: key3 in one segment with the head
  76-split     key3 in a segment of its own, after the 101 if that comes soon
  76-declared  key3 as Content-Length: 8
  75-strict    draft -75, first three lines compared to the byte, as the first
               WebKit does; what a proxy changes fails only with -only
  75-lax       draft -75, fields only
  8            version 8: Firefox 7-10, Chrome 14-15
  13           RFC 6455
  http         a plain GET

Exit status: 0 if all that was asked for works, 1 if not, 2 for wrong arguments.
Requests have the User-Agent ws76-probe/VERSION.`
