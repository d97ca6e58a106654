package admission

import (
	"net/netip"
	"testing"
	"time"
)

func TestAdmission(t *testing.T) {
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	type step struct {
		client netip.Prefix
		after  time.Duration // since the step before
		want   string
		leaves bool // a connection of the client ends before
	}
	for name, tt := range map[string]struct {
		limits Limits
		steps  []step
	}{
		"unlimited":  {Limits{}, []step{{client: a}, {client: a}, {client: b}}},
		"all":        {Limits{Connections: 2}, []step{{client: a}, {client: b}, {client: a, want: TooManyConnections}, {client: a, leaves: true}, {client: b, want: TooManyConnections}}},
		"one client": {Limits{PerClient: 1}, []step{{client: a}, {client: a, want: TooManyOfClient}, {client: b}, {client: a, leaves: true}, {client: b, want: TooManyOfClient}}},
		"rate": {Limits{PerSecond: 2}, []step{
			{client: a}, {client: a}, {client: b, want: TooManyHandshakes},
			{client: b, after: 499 * time.Millisecond, want: TooManyHandshakes}, {client: b, after: time.Millisecond}, {client: a, want: TooManyHandshakes},
			{client: a, after: time.Hour}, {client: a}, {client: a, want: TooManyHandshakes},
		}},
		"refused by another limit takes no token": {Limits{PerClient: 1, PerSecond: 2}, []step{
			{client: a}, {client: a, want: TooManyOfClient}, {client: b}, {client: netip.MustParsePrefix("192.0.2.3/32"), want: TooManyHandshakes},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ad := newLimiter(tt.limits)
			now := time.Now()
			for i, s := range tt.steps {
				now = now.Add(s.after)
				if s.leaves {
					ad.leave(s.client)
				}
				if got := ad.enter(s.client, now); got != s.want {
					t.Errorf("step %d: %q, want %q", i, got, s.want)
				}
			}
			for ad.open > 0 {
				ad.leave(a)
				ad.leave(b)
			}
			if len(ad.byClient) > 0 {
				t.Errorf("nobody is left, but %v", ad.byClient)
			}
		})
	}
}
