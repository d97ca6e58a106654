package census

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// Who came is remembered for 7 days, the latest first, and no more than 200 of a dialect.
func TestVisitors(t *testing.T) {
	began := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	var v visitors
	for i := range 300 {
		v = v.saw(fmt.Sprint("agent ", i), "", began.Add(time.Duration(i)*time.Second))
	}
	if len(v) != maxVisitors || v[0].UserAgent != "agent 299" || v[maxVisitors-1].UserAgent != "agent 100" {
		t.Errorf("%d visitors, from %q to %q", len(v), v[0].UserAgent, v[len(v)-1].UserAgent)
	}
	v = v.saw("agent 200", "", began.Add(time.Hour))
	if len(v) != maxVisitors || v[0].UserAgent != "agent 200" || v[0].Handshakes != 2 || v[100].UserAgent != "agent 199" {
		t.Errorf("after agent 200 came again: %d, %+v, %+v", len(v), v[0], v[100])
	}
	v = v.saw("agent 200", "http://a.example", began.Add(time.Hour))
	if v[0].Handshakes != 1 || v[0].Origin != "http://a.example" {
		t.Errorf("with another origin: %+v", v[0])
	}
	if got := v.recent(began.Add(visitorsFor + 30*time.Minute)); len(got) != 2 {
		t.Errorf("%d visitors of the last 7 days, want 2", len(got))
	}
}

// Our own probes are nobody who needs -76, and of others at most 256 bytes are kept.
func TestCensus(t *testing.T) {
	var c Census
	now := time.Now()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", "ws76-probe/1.2.3")
	c.Saw(legacy.Hixie76, r, now)
	if len(c.Visitors(now)) != 0 || len(c.LastSeen()) != 0 {
		t.Errorf("a probe: %+v", c)
	}
	r.Header.Set("User-Agent", strings.Repeat("u", 1000))
	r.Header.Set("Origin", strings.Repeat("o", 1000))
	c.Saw(legacy.Hixie76, r, now)
	c.Saw(legacy.RFC6455, r, now.Add(time.Second))
	if v := c.Visitors(now)[legacy.Hixie76]; len(v) != 1 || len(v[0].UserAgent) != maxField || len(v[0].Origin) != maxField {
		t.Errorf("-76: %+v", v)
	}
	if v := c.Visitors(now)[legacy.RFC6455]; len(v) != 0 || !c.LastSeen()[legacy.RFC6455].Equal(now.Add(time.Second)) || !c.LastSeen()[legacy.Hixie76].Equal(now) {
		t.Errorf("13: %+v, %v", v, c.LastSeen())
	}
}

// X-Forwarded-For is logged for trusted proxies only, and what they wrote themselves is kept.
func TestName(t *testing.T) {
	long := strings.Repeat("1", 1000)
	for _, tt := range []struct {
		trusted       bool
		list          []string
		agent, origin string
		want          string
	}{
		{true, []string{"198.51.100.7"}, "", "", "forwarded_for=198.51.100.7 "},
		{true, []string{"a", "b"}, "x", "http://a", "forwarded_for=a, b user_agent=x origin=http://a "},
		{true, []string{long, "198.51.100.7"}, "", "", "forwarded_for=" + strings.Repeat("1", 242) + ", 198.51.100.7 "},
		{true, nil, "", "http://a", "origin=http://a "},
		{false, []string{"198.51.100.7"}, long, "", "user_agent=" + long[:maxField] + " "},
	} {
		r := &http.Request{Header: http.Header{"X-Forwarded-For": tt.list, "User-Agent": {tt.agent}}}
		got := ""
		for key, value := range NameOf(r, tt.origin, tt.trusted).All {
			got += key + "=" + value + " "
		}
		if got != tt.want {
			t.Errorf("%t, %.40q: %q, want %q", tt.trusted, tt.list, got, tt.want)
		}
	}
	for key := range (Name{}).All {
		t.Errorf("no name has %s", key)
	}
}
