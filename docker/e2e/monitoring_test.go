package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Prometheus scrapes the sidecar, and takes its alerts.
func TestDemoMonitoring(t *testing.T) {
	requireDocker(t)
	project := compose(t, "docker/demo/monitoring/compose.yaml")
	docker(t, project("up", "--build", "--detach", "prometheus")...)
	if out := docker(t, project("run", "--build", "--rm", "client")...); !strings.Contains(out, "ok - a page on the same port") {
		t.Errorf("the client says\n%s", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var answer struct {
		Data struct {
			Result []struct{ Value []any }
		}
	}
	for len(answer.Data.Result) == 0 { // it scrapes every 2 seconds
		askPrometheus(t, ctx, "query?query="+url.QueryEscape(`ws76_connections_opened_total{dialect="76"} == 1`), &answer)
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health string }
			}
		}
	}
	askPrometheus(t, ctx, "rules", &rules)
	if len(rules.Data.Groups) == 0 {
		t.Fatal("Prometheus has no rules")
	}
	for _, rule := range rules.Data.Groups[0].Rules {
		if rule.Health == "err" {
			t.Errorf("alert %s cannot be evaluated", rule.Name)
		}
	}
}

// askPrometheus asks the API; while it is starting, that is tried again.
func askPrometheus(t *testing.T, ctx context.Context, query string, into any) {
	t.Helper()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9090/api/v1/"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = json.NewDecoder(resp.Body).Decode(into)
			resp.Body.Close()
		}
		if err == nil {
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("Prometheus does not answer: %v", err)
		}
	}
}
