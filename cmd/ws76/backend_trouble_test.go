//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/wiretest"
)

// What becomes of clients whose backend is in trouble.

var everyDialect = []legacy.Dialect{legacy.Hixie75, legacy.Hixie76, legacy.Hybi08, legacy.RFC6455}

// speakEach is a client of each dialect in the middle of its conversation.
func speakEach(t *testing.T, g gateway) (each []*speaker) {
	t.Helper()
	for _, d := range everyDialect {
		s, err := speak(g.listen, d, "/")
		if err != nil {
			t.Fatalf("a client of %s: %v\n%s", d, err, g.log())
		}
		t.Cleanup(s.abort)
		each = append(each, s)
		s.hears(t, "welcome")
		s.echoed(t, "hello")
	}
	return each
}

func (s *speaker) hears(t *testing.T, want string) {
	t.Helper()
	if got, err := s.hear(); got != want || err != nil {
		t.Fatalf("a client of %s got %.100q, %v, want %.100q", s.dialect, got, err, want)
	}
}

func (s *speaker) echoed(t *testing.T, message string) {
	t.Helper()
	if err := s.say(message); err != nil {
		t.Fatalf("a client of %s: %v", s.dialect, err)
	}
	s.hears(t, message)
}

// endsBare fails unless the client's side of TCP ends without a goodbye; then
// the client ends its own.
func (s *speaker) endsBare(t *testing.T) {
	t.Helper()
	if got, err := s.hear(); !errors.Is(err, errEnd) {
		t.Errorf("a client of %s got %.100q, %v, want the end of TCP", s.dialect, got, err)
	}
	s.Close()
}

// An ending is what the log and the metrics say of the end of a connection.
type ending struct {
	dialect    legacy.Dialect
	by, reason string
}

// closedAs waits for the ends of connections, in any order, and compares them
// with the log and the metrics.
func (g gateway) closedAs(admin string, want ...ending) {
	g.t.Helper()
	got := map[ending]int{}
	for range want {
		line := g.logged("connection closed")
		for _, d := range everyDialect {
			if d.String() == line["dialect"] {
				got[ending{d, fmt.Sprint(line["by"]), fmt.Sprint(line["reason"])}]++
			}
		}
	}
	metrics := map[string]int{}
	for _, e := range want {
		if got[e]--; got[e] < 0 {
			g.t.Errorf("the log has no end of %s by %s for %s; it has %v more", e.dialect, e.by, e.reason, got)
		}
		metrics[fmt.Sprintf(`ws76_connections_closed_total{by=%q,dialect="%s",reason=%q}`, e.by, e.dialect, e.reason)]++
	}
	_, samples := scrape(g.t, admin)
	for name, n := range metrics {
		if samples[name] != fmt.Sprint(n) {
			g.t.Errorf("%s is %q, want %d", name, samples[name], n)
		}
	}
}

// refusesEach fails unless a client of each dialect is refused like that, by
// the answer, the log and the metrics.
func (g gateway) refusesEach(admin string, status int, reason string) {
	g.t.Helper()
	_, before := scrape(g.t, admin)
	var clients sync.WaitGroup
	refusals := make([]error, len(everyDialect))
	for i, d := range everyDialect { // at a time: each may have to wait
		clients.Go(func() { _, refusals[i] = speak(g.listen, d, "/") })
	}
	clients.Wait()
	for i, d := range everyDialect {
		err := refusals[i]
		var refused *refusedError
		if !errors.As(err, &refused) {
			g.t.Fatalf("a client of %s: %v, want a refusal", d, err)
		}
		if begin := fmt.Sprintf("%d %s: %s\n", status, http.StatusText(status), reason); !strings.HasPrefix(refused.body, begin) || refused.status != status {
			g.t.Errorf("a client of %s: %v, want %d and %q", d, err, status, begin)
		}
		g.hasLogged(map[string]any{"@message": "opening handshake refused", "dialect": d, "status": status, "reason": reason})
		g.counts(admin, before, fmt.Sprintf(`ws76_handshakes_refused_total{dialect="%s",reason=%q}`, d, reason), 1)
	}
}

// hasLogged waits until some line of the log has these fields, which may be one from
// before: more like it are held back for a minute.
func (g gateway) hasLogged(want map[string]any) {
	g.t.Helper()
	eventually(g.t, fmt.Sprintf("line with %v", want), func() bool {
		for line := range strings.Lines(g.log()) {
			got, missing := fields(line), false
			for key, value := range want {
				missing = missing || fmt.Sprint(got[key]) != fmt.Sprint(value)
			}
			if !missing {
				return true
			}
		}
		return false
	})
}

// refusesPlain is refusesEach for plain HTTP, of which the backend gets nothing.
func (g gateway) refusesPlain(admin string, status int, reason string) {
	g.t.Helper()
	_, before := scrape(g.t, admin)
	if got, body := get(g.t, "http://"+g.listen+"/plain"); got != status || !strings.Contains(body, reason) {
		g.t.Errorf("plain HTTP: %d %q, want %d and %s", got, body, status, reason)
	}
	g.says(g.logged("request not proxied"), map[string]any{"status": status, "reason": reason})
	g.counts(admin, before, fmt.Sprintf(`ws76_http_requests_refused_total{reason=%q}`, reason), 1)
	g.counts(admin, before, "ws76_http_requests_total", 0)
}

// counts fails unless a counter has gone up by n.
func (g gateway) counts(admin string, before map[string]string, name string, n int) {
	g.t.Helper()
	_, after := scrape(g.t, admin)
	if got := number(after[name]) - number(before[name]); got != float64(n) {
		g.t.Errorf("%s went from %q to %q, want %d more", name, before[name], after[name], n)
	}
}

// A backend is killed with connections open, stays away, and comes back.
func TestBackendKilled(t *testing.T) {
	t.Parallel()
	b := startBackendProcess(t)
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_CLOSE_TIMEOUT=200ms")
	awaitReady(t, admin, http.StatusOK)
	speakers := speakEach(t, g)
	b.kill(t)
	for _, s := range speakers {
		s.endsBare(t)
	}
	g.closedAs(admin,
		ending{legacy.Hixie75, "backend", "backend-gone"}, ending{legacy.Hixie76, "backend", "backend-gone"},
		ending{legacy.Hybi08, "backend", "backend-ended"}, ending{legacy.RFC6455, "backend", "backend-ended"})
	awaitReady(t, admin, http.StatusServiceUnavailable)
	g.refusesEach(admin, http.StatusBadGateway, "backend-unreachable")
	g.refusesPlain(admin, http.StatusBadGateway, "backend-unreachable")

	b.start(t)
	awaitReady(t, admin, http.StatusOK)
	speakEach(t, g)
	if status, body := get(t, "http://"+g.listen+"/plain"); status != http.StatusOK || body != "plain" {
		t.Errorf("plain HTTP: %d %q", status, body)
	}
	g.terminate()
}

// A backend that is stopped is still connected to, by the kernel, but answers
// nothing: no handshake, no Ping, no request. Who waits without a limit can
// leave. When it goes on, so does everybody.
func TestBackendStopped(t *testing.T) {
	t.Parallel()
	b := startBackendProcess(t)
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_DIAL_TIMEOUT=1s", "WS76_PING_INTERVAL=1s", "WS76_CLOSE_TIMEOUT=200ms")
	speakers := speakEach(t, g)
	b.signal(t, syscall.SIGSTOP)
	for _, s := range speakers {
		if !s.dialect.Legacy() {
			s.goodbye()
			s.CloseWrite()
		}
		s.endsBare(t)
	}
	g.closedAs(admin,
		ending{legacy.Hixie75, "backend", "backend-silent"}, ending{legacy.Hixie76, "backend", "backend-silent"},
		ending{legacy.Hybi08, "client", "client-closed"}, ending{legacy.RFC6455, "client", "client-closed"})
	g.refusesEach(admin, http.StatusGatewayTimeout, "backend-timeout")
	awaitReady(t, admin, http.StatusOK)
	_, before := scrape(t, admin)
	ctx, leave := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		request, err := http.NewRequestWithContext(ctx, "GET", "http://"+g.listen+"/plain", nil)
		if err == nil {
			_, err = http.DefaultTransport.RoundTrip(request)
		}
		asked <- err
	}()
	eventually(t, "request under way", func() bool {
		_, now := scrape(t, admin)
		return number(now["ws76_http_requests_total"]) > number(before["ws76_http_requests_total"])
	})
	leave()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("plain HTTP: %v", err)
	}
	eventually(t, "end of the request", func() bool {
		_, now := scrape(t, admin)
		return number(now["go_goroutines"]) <= number(before["go_goroutines"])
	})

	b.signal(t, syscall.SIGCONT)
	for goodbyes := 0; goodbyes < 2; {
		switch b.next() {
		case "ended 1001":
			goodbyes++
		case "":
			t.Fatal("the backend has ended")
		}
	}
	speakEach(t, g)
	g.terminate()
}

// A backend that has no descriptor left does not accept. It is as one that does
// not answer, until it has some again.
func TestBackendOutOfDescriptors(t *testing.T) {
	t.Parallel()
	const limit = 24
	b := startBackendProcess(t, "sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, limit), "sh")
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_DIAL_TIMEOUT=1s", "WS76_CLOSE_TIMEOUT=200ms")
	var open []*speaker
	for {
		s, err := speak(g.listen, legacy.Hixie76, "/")
		if err != nil {
			break
		}
		t.Cleanup(s.abort)
		if open = append(open, s); len(open) > limit {
			t.Fatalf("%d connections to a backend with %d descriptors", len(open), limit)
		}
	}
	g.refusesEach(admin, http.StatusGatewayTimeout, "backend-timeout")
	for _, s := range open {
		s.hears(t, "welcome")
		s.echoed(t, "still here")
		s.abort()
	}
	eventually(t, "answer of the backend", func() bool {
		s, err := speak(g.listen, legacy.Hixie76, "/")
		if err == nil {
			s.abort()
		}
		return err == nil
	})
	speakEach(t, g)
	g.terminate()
}

// What a backend sends in the wrong place may be a secret: none of it is in the log, and the
// lines about it are sampled. What broke: net/http's own lines quoted all of it, with every
// response.
func TestLogOfBadAnswers(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for id, answer := range map[string]struct {
		text   string
		status int
	}{
		"behind the response": {ok + "SECRET", http.StatusOK},
		"not HTTP":            {"SECRET\r\n\r\n", http.StatusBadGateway},
		"no colon":            {"HTTP/1.1 200 OK\r\nSECRET\r\n\r\n", http.StatusBadGateway},
		"length":              {"HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n", http.StatusBadGateway},
		"coding":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n", http.StatusBadGateway},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			g, admin := adminGateway(t, "WS76_BACKEND=http://"+answers(t, answer.text))
			_, before := scrape(t, admin)
			const requests = 5
			for range requests {
				if status, body := get(t, "http://"+g.listen+"/plain"); status != answer.status {
					t.Errorf("got %d %q, want %d", status, body, answer.status)
				}
			}
			if answer.status == http.StatusOK {
				g.hasLogged(map[string]any{"@message": "net/http"})
			} else {
				g.hasLogged(map[string]any{"@message": "request not proxied", "reason": "backend-bad-answer"})
				g.counts(admin, before, `ws76_http_requests_refused_total{reason="backend-bad-answer"}`, requests)
			}
			g.counts(admin, before, "ws76_http_requests_total", requests)
			if lines := strings.Count(g.log(), `"warn"`); strings.Contains(g.log(), "SECRET") || lines != 1 {
				t.Errorf("%d warnings: %s", lines, g.log())
			}
			g.terminate()
		})
	}
}

// answers returns the address of a backend that answers every request with these bytes.
func answers(t *testing.T, text string) (address string) {
	t.Helper()
	return wiretest.Serve(t, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		for {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			io.WriteString(conn, text)
		}
	})
}
