package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/probe"
)

const red = "31"

// A probeReport is a table of results, and below it what they mean.
type probeReport struct{ *printer }

func (r *probeReport) begin(p *probing) {
	r.title("Opening handshakes at " + p.URL.Redacted())
	r.columns(grey, "attempt", "outcome", "detail")
}

func (r *probeReport) row(result probe.Result) {
	colour := red
	if result.Outcome == probe.Works {
		colour = green
	}
	r.columns(colour, result.Attempt, string(result.Outcome), result.Detail)
}

// columns paints the one that tells most. Colours have no width, so they come
// after the padding.
func (r *probeReport) columns(colour, attempt, outcome, detail string) {
	line := fmt.Sprintf("  %-12s %s %s", attempt, r.paint(colour, fmt.Sprintf("%-17s", outcome)), detail)
	fmt.Fprintln(r.w, strings.TrimRight(line, " "))
}

// explain has one paragraph for all attempts that have the same trouble.
func (r *probeReport) explain(results []probe.Result) {
	type trouble struct{ meaning, advice string }
	var troubles []trouble
	names := map[trouble][]string{}
	for _, result := range results {
		if result.Outcome != probe.Works {
			t := trouble{result.Meaning, result.Advice}
			if !slices.Contains(troubles, t) {
				troubles = append(troubles, t)
			}
			names[t] = append(names[t], result.Attempt)
		}
	}
	for _, t := range troubles {
		fmt.Fprintf(r.w, "\n  %s: %s.\n    %s %s\n", r.paint(bold, strings.Join(names[t], ", ")), t.meaning, r.paint(cyan, "change:"), strings.ReplaceAll(t.advice, "\n", "\n      "))
	}
	if len(troubles) == 0 && len(results) > 0 {
		r.done("Everything works.")
	}
}
