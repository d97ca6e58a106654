package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/probe"
)

// probing is a walk as it was asked for.
type probing struct {
	probe.Prober
	attempts []string
	json     bool
}

// probeURL opens a URL as all kinds of clients do. It is an error if one of
// them does not get through.
func probeURL(ctx context.Context, args []string, stdout, _ io.Writer) error {
	p, err := parseProbing(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, probeUsage())
		return nil
	} else if err != nil {
		return err
	}
	report := &probeReport{newPrinter(stdout)}
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
			report.row(r)
		}
	}
	p.Explain(results)
	if p.json {
		err = writeJSON(stdout, results)
	} else {
		report.explain(results)
	}
	return errors.Join(err, verdict(p, results))
}

// verdict is nil if everything that was asked for works.
func verdict(p *probing, results []probe.Result) error {
	broken := 0
	for _, r := range results {
		if r.Outcome != probe.Works {
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

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

var tlsVersions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// probeFlags are the flags, and what they set.
func probeFlags(p *probing) *flag.FlagSet {
	p.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	p.attempts = probe.Attempts()
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&p.json, "json", false, "print a JSON array of results")
	flags.DurationVar(&p.Timeout, "timeout", 5*time.Second, "for each attempt, a `duration`")
	flags.Func("only", "these attempts, a `list` separated by commas", func(s string) error {
		p.attempts = strings.Split(s, ",")
		for _, name := range p.attempts {
			if !slices.Contains(probe.Attempts(), name) {
				return fmt.Errorf("allowed: %s", strings.Join(probe.Attempts(), ","))
			}
		}
		return nil
	})
	flags.StringVar(&p.Origin, "origin", "", "the `origin` of the page that opens the URL (default: that of the URL)")
	flags.StringVar(&p.Protocol, "protocol", "", "the `subprotocol` to ask for, or a list separated by commas")
	flags.BoolVar(&p.TLS.InsecureSkipVerify, "insecure", false, "accept any certificate")
	flags.Func("min-tls", "lowest `version` of TLS to offer, 1.0 to 1.3, below 1.2 with the ciphers of its time (default 1.2)", func(s string) error {
		v, ok := tlsVersions[s]
		if !ok {
			return errors.New("allowed: 1.0, 1.1, 1.2, 1.3")
		}
		p.TLS.MinVersion = v
		return nil
	})
	return flags
}

// parseProbing takes flags before and behind the URL.
func parseProbing(args []string) (*probing, error) {
	p := &probing{}
	flags := probeFlags(p)
	var urls []string
	for rest := args; ; rest = flags.Args()[1:] {
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, usagef("probe: %w; see ws76 probe -help", err)
		}
		if flags.NArg() == 0 {
			break
		}
		urls = append(urls, flags.Arg(0))
	}
	if len(urls) != 1 {
		return nil, usagef("probe takes one URL, not %q; see ws76 probe -help", urls)
	}
	var err error
	if p.URL, err = probe.ParseURL(urls[0]); err != nil {
		return nil, usagef("probe: %q: %w", urls[0], err)
	}
	if p.Timeout <= 0 {
		return nil, usagef("probe: -timeout=%s is not positive", p.Timeout)
	}
	if strings.ContainsFunc(p.Origin+p.Protocol, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, usagef("probe: -origin and -protocol are printable ASCII")
	}
	if p.TLS.MinVersion < tls.VersionTLS12 {
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			p.TLS.CipherSuites = append(p.TLS.CipherSuites, suite.ID)
		}
	}
	return p, nil
}

func probeUsage() string {
	var b strings.Builder
	b.WriteString(`Usage: ws76 probe [flags] URL

Opens the URL (ws, wss; http and https mean the same) as clients of 2009 to
today do, one after the other, says what became of each and what to change.

  76           draft -76 as WebKit sends it: key3 in one segment with the head
  76-split     key3 in a segment of its own, after the 101 if that comes soon
  76-declared  key3 as Content-Length: 8
  75-strict    draft -75, first three lines compared to the byte, as by WebKit
  75-lax       draft -75, fields only
  8            version 8: Firefox 7-10, Chrome 14-15
  13           RFC 6455
  http         a plain GET

Exit status: 0 if all that was asked for works, 1 if not, 2 for wrong arguments.

Flags:
`)
	flags := probeFlags(&probing{})
	flags.SetOutput(&b)
	flags.PrintDefaults()
	return b.String()
}
