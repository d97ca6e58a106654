package admin

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/cmd/ws76/internal/inspect"
)

const token = "0123456789abcdef"

// port is the handler of an admin port, and its log.
func port(c *config.Config) (http.Handler, hclog.Logger, *bytes.Buffer) {
	log := new(bytes.Buffer)
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: log})
	s := &Server{logger: logger}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("page\n")) })
	return s.handler(c, page, page, inspect.New(1<<20, "")), logger, log
}

// Who may see what: peer, Host and fields of a request, with and without a token.
func TestAccess(t *testing.T) {
	type fields map[string]string
	basic := func(password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("any", password)
		return r.Header.Get("Authorization")
	}
	const here, there = "127.0.0.1:4711", "192.0.2.7:4711"
	for _, tt := range []struct {
		name, token, peer, host string
		fields                  fields
		restricted, open        int
	}{
		{"this machine", "", here, "127.0.0.1:9076", nil, 200, 200},
		{"this machine, IPv6", "", "[::1]:4711", "[::1]:9076", nil, 200, 200},
		{"this machine, mapped", "", "[::ffff:127.0.0.1]:4711", "127.0.0.1:9076", nil, 200, 200},
		{"a port-forward", "", here, "localhost:8001", nil, 200, 200},
		{"no port", "", here, "LOCALHOST", nil, 200, 200},
		{"IPv6 without port", "", here, "[::1]", nil, 200, 200},
		{"somebody else", "", there, "192.0.2.1:9076", nil, 403, 200},
		{"somebody else who says localhost", "", there, "localhost:9076", nil, 403, 200},
		{"a name that leads here", "", here, "rebind.example:9076", nil, 403, 200},
		{"a name with localhost in it", "", here, "localhost.example", nil, 403, 200},
		{"a proxy here", "", here, "127.0.0.1:9076", fields{"X-Forwarded-For": "192.0.2.7"}, 403, 200},
		{"another proxy here", "", here, "127.0.0.1:9076", fields{"Via": "1.1 p"}, 403, 200},
		{"a page of this port", "", here, "localhost:9076", fields{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:9076"}, 200, 200},
		{"typed into the browser", "", here, "localhost:9076", fields{"Sec-Fetch-Site": "none"}, 200, 200},
		{"a page of another site", "", here, "localhost:9076", fields{"Sec-Fetch-Site": "cross-site"}, 403, 200},
		{"a page of the same site", "", here, "localhost:9076", fields{"Sec-Fetch-Site": "same-site"}, 403, 200},
		{"an old browser's page", "", here, "localhost:9076", fields{"Origin": "http://evil.example"}, 403, 200},
		{"a page of another port", "", here, "localhost:9076", fields{"Origin": "http://localhost:8080"}, 403, 200},
		{"a sandboxed page", "", here, "localhost:9076", fields{"Origin": "null"}, 403, 200},

		{"the token", token, there, "gateway.example:9076", fields{"Authorization": basic(token)}, 200, 200},
		{"the token through a proxy", token, there, "gateway.example", fields{"Authorization": basic(token), "Origin": "https://gateway.example"}, 200, 200},
		{"no token", token, there, "gateway.example", nil, 401, 200},
		{"no token from this machine", token, here, "localhost", nil, 401, 200},
		{"a wrong token", token, here, "localhost", fields{"Authorization": basic(token + "0")}, 401, 200},
		{"an empty token", token, here, "localhost", fields{"Authorization": basic("")}, 401, 200},
		{"the token from another page", token, here, "localhost", fields{"Authorization": basic(token), "Sec-Fetch-Site": "cross-site"}, 403, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _, _ := port(&config.Config{AdminToken: config.Secret(tt.token), Pprof: "on"})
			ask := func(method, path string, want int) {
				t.Helper()
				r := httptest.NewRequest(method, path, strings.NewReader(map[string]string{"PUT": "info"}[method]))
				r.RemoteAddr, r.Host = tt.peer, tt.host
				for name, value := range tt.fields {
					r.Header.Set(name, value)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
				}
				for name := range w.Header() {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s %s has %s", method, path, name)
					}
				}
				if want == tt.open {
					return
				}
				if got := w.Header().Get("Cache-Control") + " " + w.Header().Get("X-Frame-Options"); got != "no-store DENY" {
					t.Errorf("%s %s has %q", method, path, got)
				}
			}
			for _, path := range []string{"/healthz", "/metrics"} {
				ask("GET", path, tt.open)
			}
			for _, path := range []string{"/", "/census", "/config", "/log-level", "/debug/pprof/", "/inspect", "/inspect/export"} {
				ask("GET", path, tt.restricted)
			}
			ask("PUT", "/log-level", tt.restricted)
			missing := tt.restricted
			if missing == 200 {
				missing = 404
			}
			ask("GET", "/nothing", missing)
		})
	}
}

// get asks as this machine does.
func get(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestIndexNamesThePages(t *testing.T) {
	for _, pprof := range []string{"on", "off"} {
		h, _, _ := port(&config.Config{Pprof: pprof})
		got := get(h, "GET", "/", "").Body.String()
		for _, want := range []string{"GET /healthz ", "GET /readyz ", "GET /metrics ", "GET /census ", "GET /config ", "PUT /log-level ", "GET / "} {
			if !strings.Contains(got, want) {
				t.Errorf("the index does not name %s:\n%s", want, got)
			}
		}
		if named := strings.Contains(got, "pprof"); named != (pprof == "on") {
			t.Errorf("WS76_PPROF=%s: the index names it: %t", pprof, named)
		}
		if code := get(h, "GET", "/debug/pprof/", "").Code; (code == 200) != (pprof == "on") {
			t.Errorf("WS76_PPROF=%s: status %d", pprof, code)
		}
	}
}

func TestLogLevel(t *testing.T) {
	h, logger, log := port(&config.Config{})
	if got := get(h, "GET", "/log-level", "").Body.String(); got != "info\n" {
		t.Errorf("the level is %q, want info", got)
	}
	for _, level := range []string{"debug", "error", "warn", "info"} {
		log.Reset()
		if w := get(h, "PUT", "/log-level", level+"\n"); w.Code != 200 || logger.GetLevel() != hclog.LevelFromString(level) {
			t.Errorf("%s: %d %s, the level is %s", level, w.Code, w.Body, logger.GetLevel())
		}
		if line := log.String(); !strings.Contains(line, "[WARN]") || !strings.Contains(line, "to="+level+" peer=127.0.0.1:4711") {
			t.Errorf("%s: the log says %q", level, line)
		}
	}
	for _, level := range []string{"trace", "off", "", "INFO", strings.Repeat("x", 100)} {
		if w := get(h, "PUT", "/log-level", level); w.Code != 400 || logger.GetLevel() != hclog.Info || !strings.Contains(w.Body.String(), "allowed: error, warn, info, debug") {
			t.Errorf("%q: %d %s, the level is %s", level, w.Code, w.Body, logger.GetLevel())
		}
	}
}

func TestConfigPage(t *testing.T) {
	for name, value := range map[string]string{"WS76_ADMIN_TOKEN": token, "WS76_BACKEND": "http://app:8080/chat", "WS76_TLS_KEY": "-----BEGIN PRIVATE KEY-----\nMC4C"} {
		t.Setenv(name, value)
	}
	os.Unsetenv("WS76_LISTEN")
	h, _, _ := port(&config.Config{})
	got := get(h, "GET", "/config", "").Body.String()
	for _, want := range []string{"WS76_ADMIN_TOKEN=***(16 bytes)\n", "WS76_BACKEND=http://app:8080/chat\n", "WS76_LISTEN=:8076  # default\n", "WS76_TLS_KEY=***(32 bytes)\n", "WS76_ORIGINS=off  # default\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != len(config.Names()) {
		t.Errorf("%d settings, want %d", n, len(config.Names()))
	}
	if strings.Contains(got, token) || strings.Contains(got, "MC4C") {
		t.Errorf("a secret is shown:\n%s", got)
	}
}
