package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

func TestCensus(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		allowed config.Dialects
		stats   translate.Stats
		want    string
	}{
		"a new process": {config.Dialects{75, 76, 13}, translate.Stats{}, `Clients since 2026-05-01T12:00:00Z (72h0m0s), when this process started:

dialect  last seen  open  opened  refused
75       never      0     0       0
76       never      0     0       0
13       never      0     0       0

Not seen: 75, 76. If 72h0m0s is long enough to know, switch it off with WS76_DIALECTS=13.
Across restarts: max_over_time(ws76_dialect_last_seen_timestamp_seconds[90d])
`},
		"both came": {config.Dialects{75, 76}, translate.Stats{
			LastSeen: map[legacy.Dialect]time.Time{75: now.Add(-time.Hour), 76: now},
			Open:     map[legacy.Dialect]int64{76: 2},
			Opened:   map[legacy.Dialect]int64{75: 1, 76: 5},
			Refused:  map[translate.Refused]int64{{Dialect: 75, Reason: "a"}: 2, {Dialect: 75, Reason: "b"}: 1, {Dialect: 13, Reason: "a"}: 9},
		}, `Clients since 2026-05-01T12:00:00Z (72h0m0s), when this process started:

dialect  last seen   open  opened  refused
75       1h0m0s ago  0     1       3
76       0s ago      2     5       0

In use: 75, 76. Switching it off would shut these clients out.
`},
		"one came": {config.Dialects{75, 76, 8}, translate.Stats{LastSeen: map[legacy.Dialect]time.Time{76: now, 8: now}}, `Clients since 2026-05-01T12:00:00Z (72h0m0s), when this process started:

dialect  last seen  open  opened  refused
75       never      0     0       0
76       0s ago     0     0       0
8        0s ago     0     0       0

In use: 76. Switching it off would shut these clients out.
Not seen: 75. If 72h0m0s is long enough to know, switch it off with WS76_DIALECTS=76,8.
Across restarts: max_over_time(ws76_dialect_last_seen_timestamp_seconds[90d])
`},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			writeCensus(&got, tt.stats, tt.allowed, now.Add(-72*time.Hour), now)
			if got.String() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), tt.want)
			}
		})
	}
}
