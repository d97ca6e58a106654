package translate

import (
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func TestAdmission(t *testing.T) {
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	type step struct {
		client netip.Prefix
		after  time.Duration // since the step before
		want   Reason
		leaves bool // a connection of the client ends before
	}
	for name, tt := range map[string]struct {
		limits Limits
		steps  []step
	}{
		"unlimited":  {Limits{}, []step{{client: a}, {client: a}, {client: b}}},
		"all":        {Limits{Connections: 2}, []step{{client: a}, {client: b}, {client: a, want: TooManyConnections}, {client: a, leaves: true}, {client: b, want: TooManyConnections}}},
		"one client": {Limits{ConnectionsPerClient: 1}, []step{{client: a}, {client: a, want: TooManyOfClient}, {client: b}, {client: a, leaves: true}, {client: b, want: TooManyOfClient}}},
		"rate": {Limits{HandshakesPerSecond: 2}, []step{
			{client: a}, {client: a}, {client: b, want: TooManyHandshakes},
			{client: b, after: 499 * time.Millisecond, want: TooManyHandshakes}, {client: b, after: time.Millisecond}, {client: a, want: TooManyHandshakes},
			{client: a, after: time.Hour}, {client: a}, {client: a, want: TooManyHandshakes},
		}},
		"refused by another limit takes no token": {Limits{ConnectionsPerClient: 1, HandshakesPerSecond: 2}, []step{
			{client: a}, {client: a, want: TooManyOfClient}, {client: b}, {client: netip.MustParsePrefix("192.0.2.3/32"), want: TooManyHandshakes},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ad := admission{limits: &tt.limits, byClient: map[netip.Prefix]int{}}
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

// Whom a request counts for: nobody can choose it by a header of his own.
func TestClientOf(t *testing.T) {
	g := New(Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fc00::/7")}})
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:1", "", "192.0.2.1/32"},
		{"192.0.2.1:1", "198.51.100.1", "192.0.2.1/32"},
		{"10.0.0.1:1", "", "10.0.0.1/32"},
		{"10.0.0.1:1", "198.51.100.1", "198.51.100.1/32"},
		{"10.0.0.1:1", "203.0.113.9, 198.51.100.1", "198.51.100.1/32"},
		{"10.0.0.1:1", "198.51.100.1, 10.0.0.2", "198.51.100.1/32"},
		{"10.0.0.1:1", "198.51.100.1,nonsense", "10.0.0.1/32"},
		{"10.0.0.1:1", "nonsense, 10.0.0.2", "10.0.0.2/32"},
		{"10.0.0.1:1", "198.51.100.1:4711", "198.51.100.1/32"},
		{"10.0.0.1:1", "[2001:db8::1]:4711, 10.0.0.2:80", "2001:db8::/64"},
		{"[::ffff:10.0.0.1]:1", "198.51.100.1", "198.51.100.1/32"},
		{"[2001:db8::1]:1", "", "2001:db8::/64"},
		{"[2001:db8::ffff:1]:1", "", "2001:db8::/64"},
		{"[fc00::1%eth0]:1", "2001:db8:0:1::7", "2001:db8:0:1::/64"},
		{"nonsense", "198.51.100.1", "invalid Prefix"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := g.clientOf(r).String(); got != tt.want {
			t.Errorf("from %s for %q: %s, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 10 * time.Second, 11 * time.Second} {
		h.observe(d)
	}
	want := Histogram{Sum: 21.002000001}
	want.Counts[0], want.Counts[1], want.Counts[len(Buckets)-1], want.Counts[len(Buckets)] = 2, 1, 1, 1
	if h.Counts != want.Counts || h.Sum < 21.002 || h.Sum > 21.0021 {
		t.Errorf("got %+v, want %+v", h, want)
	}
}
