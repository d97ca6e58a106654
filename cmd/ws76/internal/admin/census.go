package admin

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// censusHandler shows whether a dialect is still in use.
func censusHandler(gateway *translate.Gateway, allowed config.Dialects) http.Handler {
	started := time.Now()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		writeCensus(w, gateway.Stats(), allowed, started, time.Now())
	})
}

func writeCensus(w io.Writer, s translate.Stats, allowed config.Dialects, started, now time.Time) {
	fmt.Fprintf(w, "Clients since %s (%s), when this process started:\n\n", started.UTC().Format(time.RFC3339), now.Sub(started).Round(time.Second))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "dialect\tlast seen\topen\topened\trefused")
	var unseen, seen []string
	for _, d := range allowed {
		last, came := s.LastSeen[d]
		when := "never"
		if came {
			when = now.Sub(last).Round(time.Second).String() + " ago"
		}
		if d.Legacy() && came {
			seen = append(seen, d.String())
		} else if d.Legacy() {
			unseen = append(unseen, d.String())
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\n", d, when, s.Open[d], s.Opened[d], refusedOf(s, d))
	}
	table.Flush()
	fmt.Fprintln(w)
	writeVisitors(w, s, allowed, now)
	if len(seen) > 0 {
		fmt.Fprintf(w, "In use: %s. Switching it off would shut these clients out.\n", strings.Join(seen, ", "))
	}
	if len(unseen) > 0 {
		fmt.Fprintf(w, "Not seen: %s. If %s is long enough to know, switch it off with WS76_DIALECTS=%s.\n", strings.Join(unseen, ", "), now.Sub(started).Round(time.Second), dialectsWithout(allowed, unseen))
		fmt.Fprintln(w, "Across restarts: max_over_time(ws76_dialect_last_seen_timestamp_seconds[90d])")
	}
}

// writeVisitors lists who needs -75 or -76.
func writeVisitors(w io.Writer, s translate.Stats, allowed config.Dialects, now time.Time) {
	for _, d := range allowed {
		if len(s.Visitors[d]) == 0 {
			continue
		}
		fmt.Fprintf(w, "Who came with -%s in the last 7 days:\n\n", d)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "last seen\thandshakes\tuser agent\torigin")
		for _, v := range s.Visitors[d] {
			fmt.Fprintf(table, "%s ago\t%d\t%q\t%q\n", now.Sub(v.Last).Round(time.Second), v.Handshakes, v.UserAgent, v.Origin)
		}
		table.Flush()
		fmt.Fprintln(w)
	}
}

func refusedOf(s translate.Stats, d legacy.Dialect) (n int64) {
	for kind, of := range s.Refused {
		if kind.Dialect == d {
			n += of
		}
	}
	return n
}

// dialectsWithout is a value for WS76_DIALECTS.
func dialectsWithout(allowed config.Dialects, names []string) string {
	var rest []string
	for _, d := range allowed {
		if !slices.Contains(names, d.String()) {
			rest = append(rest, d.String())
		}
	}
	return strings.Join(rest, ",")
}
