package diagnosis

import (
	"fmt"
	"testing"
	"time"
)

func TestEvidence(t *testing.T) {
	nginx := Route{"10.0.0.1", "nginx"}
	caddy := Route{"10.0.0.1", "caddy"}
	type event struct {
		after  time.Duration
		by     Route
		client string // empty: one sent a message
		proven bool
	}
	for name, events := range map[string][]event{
		"three clients":                    {{0, nginx, "a", false}, {0, nginx, "b", false}, {0, nginx, "c", true}, {0, nginx, "a", true}, {0, nginx, "d", true}},
		"one client often":                 {{0, nginx, "a", false}, {0, nginx, "a", false}, {0, nginx, "a", false}, {0, nginx, "b", false}},
		"by two proxies":                   {{0, nginx, "a", false}, {0, caddy, "b", false}, {0, nginx, "c", false}},
		"within ten minutes":               {{0, nginx, "a", false}, {0, nginx, "b", false}, {memory - 1, nginx, "c", true}},
		"not within ten minutes":           {{0, nginx, "a", false}, {1, nginx, "b", false}, {memory - 1, nginx, "c", false}, {0, nginx, "d", true}},
		"a client that comes again counts": {{0, nginx, "a", false}, {1, nginx, "a", false}, {1, nginx, "b", false}, {memory - 2, nginx, "c", true}},
		"one got through":                  {{0, nginx, "a", false}, {0, nginx, "", false}, {0, nginx, "b", false}, {0, nginx, "c", false}, {memory - 1, nginx, "a", false}},
		"one got through long ago":         {{0, nginx, "", false}, {1, nginx, "a", false}, {0, nginx, "b", false}, {memory - 2, nginx, "c", false}, {1, nginx, "c", true}},
		"one got through elsewhere":        {{0, caddy, "", false}, {0, nginx, "a", false}, {0, nginx, "b", false}, {0, nginx, "c", true}},
	} {
		t.Run(name, func(t *testing.T) {
			var e evidence
			now := time.Unix(0, 0)
			for i, ev := range events {
				now = now.Add(ev.after)
				if ev.client == "" {
					e.worked(ev.by, now)
				} else if got := e.dropped(ev.by, ev.client, now); got != ev.proven {
					t.Errorf("event %d, %+v: proven %t", i, ev, got)
				}
			}
		})
	}
}

// Peers cannot make it grow, and what is old makes room.
func TestEvidenceIsBounded(t *testing.T) {
	var e evidence
	now := time.Unix(0, 0)
	for i := range 2 * maxRoutes {
		e.worked(Route{Peer: fmt.Sprint(i)}, now)
		e.dropped(Route{Peer: "busy"}, fmt.Sprint(i), now)
	}
	if len(e.routes) != maxRoutes || len(e.routes[Route{Peer: "busy"}].dropped) > enough {
		t.Errorf("%d routes", len(e.routes))
	}
	now = now.Add(memory)
	late := Route{Peer: "late"}
	if e.dropped(late, "a", now) || e.dropped(late, "b", now) || !e.dropped(late, "c", now) {
		t.Error("no room is made")
	}
	if len(e.routes) != 1 {
		t.Errorf("%d routes are left", len(e.routes))
	}
}
