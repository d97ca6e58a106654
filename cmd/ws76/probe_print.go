package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/probe"
	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
)

// A probeReport is a table of results, and below it what they mean.
type probeReport struct{ *terminal.Printer }

func (r *probeReport) begin(p *probing) {
	r.Title("Opening handshakes at " + p.URL.Redacted())
	r.columns(terminal.Grey, "attempt", "outcome", "detail")
}

func (r *probeReport) row(result probe.Result, counts bool) {
	colour := terminal.Grey
	switch {
	case counts:
		colour = terminal.Red
	case result.Outcome == probe.Works:
		colour = terminal.Green
	}
	r.columns(colour, result.Attempt, string(result.Outcome), result.Detail)
}

// columns paints the one that tells most. Colours have no width, so they come
// after the padding.
func (r *probeReport) columns(colour, attempt, outcome, detail string) {
	line := fmt.Sprintf("  %-12s %s %s", attempt, r.Paint(colour, fmt.Sprintf("%-17s", outcome)), detail)
	fmt.Fprintln(r.W, strings.TrimRight(line, " "))
}

// explain has one paragraph for each change to make, with all attempts that it is for.
func (r *probeReport) explain(results []probe.Result, counts func(probe.Result) bool) {
	type trouble struct{ meaning, advice string }
	var advices []string
	meanings := map[string][]string{} // by advice
	names := map[trouble][]string{}
	broken := false
	for _, result := range results {
		if result.Outcome == probe.Works {
			continue
		}
		t := trouble{result.Meaning, result.Advice}
		if !slices.Contains(advices, t.advice) {
			advices = append(advices, t.advice)
		}
		if !slices.Contains(meanings[t.advice], t.meaning) {
			meanings[t.advice] = append(meanings[t.advice], t.meaning)
		}
		name := result.Attempt
		if !counts(result) {
			name += " (no failure)"
		}
		names[t] = append(names[t], name)
		broken = broken || counts(result)
	}
	for _, advice := range advices {
		fmt.Fprintln(r.W)
		for _, meaning := range meanings[advice] {
			fmt.Fprintf(r.W, "  %s: %s.\n", r.Paint(terminal.Bold, strings.Join(names[trouble{meaning, advice}], ", ")), meaning)
		}
		fmt.Fprintf(r.W, "    %s %s\n", r.Paint(terminal.Cyan, "change:"), strings.ReplaceAll(advice, "\n", "\n      "))
	}
	if settings := probe.BackendSettings(results); settings != "" {
		fmt.Fprintf(r.W, "\n  If this is the backend of ws76, and no gateway: %s %s.\n", r.Paint(terminal.Cyan, "set"), settings)
	}
	if !broken && len(results) > 0 {
		r.Done("Everything works.")
	}
}
