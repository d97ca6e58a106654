package selftest

import (
	"strings"
	"testing"

	"github.com/ws76/ws76/translate"
)

// found makes findings of words.
func found(t *testing.T, words map[field]string) (f Findings) {
	t.Helper()
	for at, word := range words {
		if !f.set(at, word) {
			t.Fatalf("field %d has no word %q", at, word)
		}
	}
	return f
}

func explain(t *testing.T, f Findings) string {
	t.Helper()
	var b strings.Builder
	if err := Explain(f.Code(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		words map[field]string
		want  []string
	}{
		{"all is well", map[field]string{api: "WebSocket", opening: "opened", dialect: "76", key3: "with the head", closing: "clean", large: "right"},
			[]string{"76", "with the head", "Everything works."}},
		{"held by Caddy", map[field]string{api: "WebSocket", opening: "timeout", dialect: "76", key3: "never", fault: "held", proxy: "go", refusal: "key3-timeout"},
			[]string{"key3 never came", "change: Caddy before 2.11 loses key3"}},
		{"downgraded by nginx", map[field]string{api: "WebSocket", opening: "closed", dialect: "http", fault: "downgraded", proxy: "nginx", refusal: "http-version"},
			[]string{"HTTP/1.0", "change: nginx, in location: proxy_http_version 1.1;"}},
		{"stripped by nobody known", map[field]string{opening: "closed", dialect: "http", fault: "stripped"}, []string{"without Upgrade or Connection", "change: pass Upgrade, Connection and Host"}},
		{"perhaps rewritten", map[field]string{opening: "closed", dialect: "76", fault: "rewritten", proxy: "nginx"}, []string{"or the user left the page", "proxy_set_header Host $http_host"}},
		{"another origin", map[field]string{api: "WebSocket", opening: "closed", dialect: "13", refusal: "origin-not-allowed"}, []string{"not to accept connections from this Origin", "change: WS76_ORIGINS"}},
		{"nothing arrived", map[field]string{api: "WebSocket", opening: "timeout", proxy: "squid"}, []string{"nothing of the handshake reached ws76", "http_upgrade_request_protocols"}},
		{"not accepted", map[field]string{api: "WebSocket", opening: "closed", dialect: "76"}, []string{"did not accept it", "X-Forwarded-Proto"}},
		{"no WebSocket", map[field]string{api: "none"}, []string{"the browser has no WebSocket"}},
		{"iOS 5", map[field]string{api: "WebSocket", opening: "opened", dialect: "76", oneProtocol: "throws", protocolList: "throws"}, []string{"new WebSocket(url, 'name'): throws", "call new WebSocket(url)"}},
		{"no subprotocol", map[field]string{opening: "opened", oneProtocol: "fails"}, []string{"Sec-WebSocket-Protocol both ways"}},
		{"no astral characters", map[field]string{opening: "opened", fourBytes: "wrong"}, []string{"characters of 4 bytes: wrong", "escape"}},
		{"nothing large", map[field]string{opening: "opened", large: "missing"}, []string{"64 KiB in one message: missing", "WS76_MAX_MESSAGE"}},
		{"no close", map[field]string{opening: "opened", closing: "no event"}, []string{"onclose"}},
		{"the app refuses", map[field]string{opening: "opened", ownPath: "failed"}, []string{"a path of the app: failed", "the log of ws76"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := explain(t, found(t, tt.words))
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in\n%s", want, text)
				}
			}
			if ends := strings.Contains(text, "Everything works."); ends != (tt.name == "all is well") {
				t.Errorf("everything works: %t\n%s", ends, text)
			}
		})
	}
}

// Whatever a code holds, it is explained.
func TestExplainAnything(t *testing.T) {
	for _, f := range samples() {
		if explain(t, f) == "" {
			t.Fatalf("nothing about %v", f)
		}
	}
	for _, s := range simple {
		var f Findings
		if !f.set(s.at, s.words) && !f.set(s.at, strings.Fields(s.words)[0]) {
			t.Errorf("%s has no word of %q", fields[s.at].about, s.words)
		}
	}
	if err := Explain("nonsense", &strings.Builder{}); err == nil {
		t.Error("nonsense is explained")
	}
}

// A reason in the list is one that the gateway has.
func TestReasonsExist(t *testing.T) {
	for _, word := range fields[refusal].words[2:] {
		if translate.Reason(word).Description() == "" {
			t.Errorf("nothing is refused for %s", word)
		}
	}
}
