package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/ws76/ws76/cmd/ws76/internal/probe"
)

// probedAs is the case that an attempt of ws76 probe is like.
var probedAs = map[string]string{
	"76": "76", "76-split": "76 late", "76-declared": "76 declared", "75-strict": "75 strict", "75-lax": "75",
	"8": "6455", "13": "6455", "http": "http",
}

// probed has ws76 probe find out from a client's place what the cases did, and
// who it was.
func (s *stand) probed(t *testing.T) {
	scheme := "ws"
	if s.kind.secure {
		scheme = "wss"
	}
	cmd := exec.Command("ws76", "probe", "-json", "-insecure", "-timeout", patience.String(), scheme+"://"+s.proxy.address+"/echo/probe")
	cmd.Env = environment()
	status := exitOK
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	var results []probe.Result
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(results) != len(probedAs) {
		t.Errorf("%d attempts, want %d", len(results), len(probedAs))
	}
	expected := exitOK
	for _, r := range results {
		want := s.kind.expected(probedAs[r.Attempt])
		if string(r.Outcome) != string(want) || r.Proxy != s.kind.seenAs {
			t.Errorf("%s: %s behind %q, want %s behind %q (%s)", r.Attempt, r.Outcome, r.Proxy, want, s.kind.seenAs, r.Detail)
		}
		if want != works {
			if r.Attempt != "75-strict" {
				expected = exitFailed
			}
			if !strings.Contains(strings.ToLower(r.Advice), s.kind.seenAs) {
				t.Errorf("%s: the advice is %q, want one for %s", r.Attempt, r.Advice, s.kind.seenAs)
			}
		}
	}
	if status != expected {
		t.Errorf("exit status %d, want %d", status, expected)
	}
}

// nginx without proxy_http_version speaks HTTP/1.0 to ws76, which has no upgrade. Log and
// probe name it, with its one line.
func TestProxiesNginxInHTTP10(t *testing.T) {
	t.Parallel()
	s := newStand(t, proxyKind{config: "nginx-http/nginx.conf", edit: []string{"proxy_http_version 1.1;", "proxy_http_version 1.0;"}})
	const line = "nginx, in location: proxy_http_version 1.1;"
	status, stdout, _ := probed(t, "-only", "76,13", "ws://"+s.proxy.address+"/")
	if status != exitFailed || strings.Count(stdout, line) != 1 {
		t.Errorf("status %d\n%s\nwant once %s", status, stdout, line)
	}
	logged := s.logged("handshake damaged on the way")
	s.gateway.says(logged, map[string]any{"fault": "downgraded", "proxy": "nginx", "change": line})
}
