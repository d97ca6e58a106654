package translate

import (
	"cmp"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/internal/diagnosis"
	"github.com/ws76/ws76/translate/internal/relay"
	"github.com/ws76/ws76/translate/proxies"
)

// Damage is what a proxy on the way did to an opening handshake; the zero Damage is none.
type Damage = diagnosis.Damage

// diagnose counts a fault and logs what to change.
func (g *Gateway) diagnose(what diagnosis.Diagnosis, proxy, client string) Damage {
	damage := what.By(proxy)
	g.count(func(s *Stats) {
		if what.Proven {
			count(&s.Faults, what.Fault)
		} else {
			count(&s.Doubts, what.Fault)
		}
	})
	if !g.diagnoses.Due(what) {
		return damage
	}
	level, message := hclog.Warn, "handshake damaged on the way"
	if !what.Proven {
		level, message = hclog.Info, "handshake may have been damaged on the way"
	}
	g.logger.Log(level, message, "fault", string(what.Fault), "proxy", cmp.Or(proxy, "unknown"), "client", client,
		"meaning", damage.Meaning, "change", damage.Change)
	return damage
}

// diagnoseRequest is diagnose for a connection that does not come about.
func (g *Gateway) diagnoseRequest(r *http.Request, fault proxies.Fault, proven bool) {
	damage := g.diagnose(diagnosis.Diagnosis{Fault: fault, Proven: proven}, routeOf(r).Proxy, r.RemoteAddr)
	if x := exchangeOf(r); x != nil {
		x.Damage = damage
	}
}

// diagnoseAborted looks at a handshake that ended before key3 came.
func (g *Gateway) diagnoseAborted(r *http.Request, reason Reason) {
	switch reason {
	case legacy.Key3Timeout:
		g.diagnoseRequest(r, proxies.Held, true)
	case legacy.Key3Missing:
		g.diagnoseRequest(r, proxies.Lost, g.diagnoses.Proven(routeOf(r), g.rules.ClientOf(r).String(), g.registry.talks))
	}
}

func routeOf(r *http.Request) diagnosis.Route { return diagnosis.RouteOf(r, rawHead(r)) }

// diagnoseClosed looks at the end of a connection.
func (g *Gateway) diagnoseClosed(c *conn, e End) Damage {
	if c.Dialect != legacy.Hixie76 || c.route.Proxy == "" {
		return Damage{}
	}
	if messages, _ := c.pair.Counts(relay.Client); messages > 0 {
		g.diagnoses.Worked(c.route)
		return Damage{}
	}
	end := diagnosis.Departure{Skipped: c.Summary.Skipped > 0, Cut: e.Reason == ClientCut, Gone: e.Reason == ClientGone, After: time.Since(c.since), Misplaced: c.misplaced}
	fault := end.Fault()
	if e.By != ByClient || fault == "" {
		return Damage{}
	}
	return g.diagnose(diagnosis.Diagnosis{Fault: fault, Proven: g.diagnoses.Proven(c.route, c.client.String(), g.registry.talks)}, c.route.Proxy, c.remote)
}
