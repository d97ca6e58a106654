package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ws76/ws76/cmd/ws76/internal/probe"
	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// probed runs ws76 probe with these arguments.
func probed(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"probe"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

// gatewayBefore is a gateway in this process.
func gatewayBefore(b *backend) *translate.Gateway {
	return translate.New(translate.Options{Backend: modern.Dialer{Address: b.address}, PreserveHost: true})
}

// serveGateway is the address of a gateway before a backend.
func serveGateway(t *testing.T, b *backend) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := gatewayBefore(b)
	go g.Serve(ln)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		g.Shutdown(ctx)
	})
	return ln.Addr().String()
}

// answering is the address of a server that answers everything the same.
func answering(t *testing.T, status int, server, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", server)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

const nginxPage = "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>"

// Everything works at a gateway, and the app behind it sees clients that come
// and go.
func TestProbeGateway(t *testing.T) {
	b := gorillaBackend(t)
	address := serveGateway(t, b)
	status, stdout, stderr := probed(t, "ws://"+address+"/chat?room=1", "-protocol", "chat", "-origin", "http://page.example")
	want := "\nOpening handshakes at ws://" + address + `/chat?room=1
  attempt      outcome           detail
  76           works
  76-split     works
  76-declared  works
  75-strict    works
  75-lax       works
  8            works
  13           works
  http         works             400 Bad Request

Everything works.
`
	if status != exitOK || stdout != want || stderr != "" {
		t.Errorf("status %d, %s\n%s\nwant\n%s", status, stderr, stdout, want)
	}
	for range 7 {
		c := b.next(t)
		if c.code != 1000 || c.messages != 0 || c.path != "/chat?room=1" || c.origin != "http://page.example" || c.protocol != "chat" {
			t.Errorf("the backend saw %+v", c)
		}
	}
}

// The same by TLS, whose certificate nobody vouches for.
func TestProbeGatewayByTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(gatewayBefore(gorillaBackend(t)))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-insecure"}, exitOK, "Everything works."},
		{[]string{"-insecure", "-min-tls", "1.0"}, exitOK, "Everything works."},
		{[]string{"-insecure", "-min-tls=1.3"}, exitOK, "Everything works."},
		{[]string{"-only", "13"}, exitFailed, "authority is unknown"},
	} {
		status, stdout, _ := probed(t, append(tt.args, s.URL)...)
		if status != tt.status || !strings.Contains(stdout, tt.want) {
			t.Errorf("%q: status %d\n%s\nwant %d, %s", tt.args, status, stdout, tt.status, tt.want)
		}
	}
}

// The gateway's own refusals are known by their form.
func TestProbeGatewayRefuses(t *testing.T) {
	g := gatewayBefore(&backend{address: "127.0.0.1:1"})
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	status, stdout, _ := probed(t, "-only", "76,13", s.URL)
	for _, want := range []string{
		"  76           refused-by-app    502 Bad Gateway, backend-unreachable\n",
		"  76, 13: the backend cannot be connected to.\n    change: ws76: WS76_BACKEND ",
	} {
		if status != exitFailed || !strings.Contains(stdout, want) {
			t.Errorf("status %d\n%s\nwant %s", status, stdout, want)
		}
	}
}

// What does not work is explained once for all that it is true of.
func TestProbeExplains(t *testing.T) {
	address := answering(t, http.StatusBadGateway, "nginx", nginxPage)
	status, stdout, stderr := probed(t, "-only=76,75-lax,http", "http://"+address)
	want := "\nOpening handshakes at ws://" + address + `
  attempt      outcome           detail
  76           refused-by-proxy  502 Bad Gateway
  75-lax       refused-by-proxy  502 Bad Gateway
  http         refused-by-proxy  502 Bad Gateway

  76, 75-lax, http: a proxy on the way answered the handshake itself.
    change: have the proxy forward to the address that ws76 listens on (WS76_LISTEN), and see that ws76 runs there
`
	if status != exitFailed || stdout != want {
		t.Errorf("status %d\n%s\nwant\n%s", status, stdout, want)
	}
	if want := "ws76: 3 of 3 attempts do not work\n"; stderr != want {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
}

// A change that fixes several things is printed once.
func TestProbeAdvisesOnce(t *testing.T) {
	var b bytes.Buffer
	r := probeReport{&terminal.Printer{W: &b}}
	r.explain([]probe.Result{
		{Attempt: "76", Outcome: probe.Lost, Meaning: "lost", Advice: "nginx:\nthis"},
		{Attempt: "13", Outcome: probe.Stripped, Meaning: "stripped", Advice: "nginx:\nthis"},
		{Attempt: "76-split", Outcome: probe.Lost, Meaning: "lost", Advice: "nginx:\nthis"},
		{Attempt: "http", Outcome: probe.Timeout, Meaning: "late", Advice: "that"},
	}, new(probing).counts)
	want := `
  76, 76-split: lost.
  13: stripped.
    change: nginx:
      this

  http: late.
    change: that
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

// What a proxy changes in the first lines of -75 is no failure unless it was asked for.
func TestProbeStrict75(t *testing.T) {
	p := &probing{}
	changed := probe.Result{Attempt: "75-strict", Outcome: probe.Changed}
	for _, tt := range []struct {
		chosen bool
		result probe.Result
		want   bool
	}{
		{false, changed, false},
		{true, changed, true},
		{false, probe.Result{Attempt: "75-strict", Outcome: probe.Stripped}, true},
		{false, probe.Result{Attempt: "75-lax", Outcome: probe.Changed}, true},
		{true, probe.Result{Attempt: "75-strict", Outcome: probe.Works}, false},
	} {
		if p.chosen = tt.chosen; p.counts(tt.result) != tt.want {
			t.Errorf("chosen %t, %+v: %t", tt.chosen, tt.result, !tt.want)
		}
	}
}

// A message is sent where the handshake succeeds, and what comes back is told.
func TestProbeMessage(t *testing.T) {
	b := gorillaBackend(t)
	address := serveGateway(t, b)
	status, stdout, stderr := probed(t, "ws://"+address+"/chat", "-message", "Grüße", "-only", "76,75-lax,8,13")
	if status != exitOK || strings.Count(stdout, `works             "welcome", "Grüße" came back`) != 4 {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
}

func TestProbeJSON(t *testing.T) {
	status, stdout, stderr := probed(t, "-json", "-only", "http,76", "ws://"+answering(t, http.StatusForbidden, "nginx", "<b>no"))
	want := `[
  {
    "attempt": "http",
    "outcome": "works",
    "detail": "403 Forbidden",
    "proxy": "nginx",
    "meaning": "a client of this kind gets through",
    "advice": ""
  },
  {
    "attempt": "76",
    "outcome": "refused-by-app",
    "detail": "403 Forbidden",
    "proxy": "nginx",
    "meaning": "the handshake was turned down, by the app or by the gateway before it",
    "advice": "the app decides by Origin or credentials: -origin is what it sees"
  }
]
`
	if status != exitFailed || stdout != want || stderr != "ws76: 1 of 2 attempts does not work\n" {
		t.Errorf("status %d, %s\n%s\nwant\n%s", status, stderr, stdout, want)
	}
	var results []probe.Result
	if err := json.Unmarshal([]byte(stdout), &results); err != nil || len(results) != 2 {
		t.Errorf("%d results, %v", len(results), err)
	}
}

func TestProbeStatus(t *testing.T) {
	free, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string // in stderr; for status 0 in stdout
	}{
		{[]string{"-h"}, exitOK, "Usage: ws76 probe [flags] URL\n"},
		{[]string{"ws://h", "-help"}, exitOK, "  -timeout duration\n"},
		{[]string{"-only", "http", "http://" + answering(t, 200, "", "")}, exitOK, "200 OK"},
		{[]string{"-only", "76", "ws://" + free}, exitFailed, "1 of 1 attempt does not work"},
		{nil, exitUsage, "probe takes one URL, not []"},
		{[]string{"ws://h", "ws://i"}, exitUsage, `probe takes one URL, not ["ws://h" "ws://i"]`},
		{[]string{"chat.example"}, exitUsage, `probe: "chat.example": allowed are ws, wss, http and https`},
		{[]string{"-only", "76,77", "ws://h"}, exitUsage, "allowed: 76,76-split,76-declared,75-strict,75-lax,8,13,http"},
		{[]string{"-min-tls", "1.4", "ws://h"}, exitUsage, "allowed: 1.0, 1.1, 1.2, 1.3"},
		{[]string{"-timeout", "0s", "ws://h"}, exitUsage, "-timeout=0s is not positive"},
		{[]string{"-origin", "a\r\nb", "ws://h"}, exitUsage, "printable ASCII"},
		{[]string{"-protocol", "ü", "ws://h"}, exitUsage, "printable ASCII"},
		{[]string{"-verbose", "ws://h"}, exitUsage, "flag provided but not defined: -verbose, did you mean -message?; see ws76 help probe"},
	} {
		status, stdout, stderr := probed(t, tt.args...)
		said := stderr
		if tt.status == exitOK {
			said = stdout
		}
		if status != tt.status || !strings.Contains(said, tt.want) {
			t.Errorf("%q: status %d\n%s%s\nwant %d, %s", tt.args, status, stdout, stderr, tt.status, tt.want)
		}
	}
}

// The help lists every attempt.
func TestProbeUsage(t *testing.T) {
	for _, name := range probe.Attempts() {
		if !strings.Contains(helpOf(t, "help", "probe"), "\n  "+name+" ") {
			t.Errorf("%s is not explained", name)
		}
	}
}

// Below 1.2 the ciphers of that time are offered too.
func TestProbeTLSVersions(t *testing.T) {
	for _, tt := range []struct {
		version string
		ciphers bool
	}{{"1.0", true}, {"1.1", true}, {"1.2", false}, {"1.3", false}} {
		p, err := parseProbing([]string{"-min-tls", tt.version, "wss://h"})
		if err != nil {
			t.Fatal(err)
		}
		if p.TLS.MinVersion != tlsVersions[tt.version] || len(p.TLS.CipherSuites) > 0 != tt.ciphers {
			t.Errorf("%s: version %x, %d ciphers", tt.version, p.TLS.MinVersion, len(p.TLS.CipherSuites))
		}
	}
}

func TestProbeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if got := run(ctx, []string{"probe", "-json", "ws://127.0.0.1:9"}, &stdout, &stderr); got != exitFailed {
		t.Errorf("status %d, want %d", got, exitFailed)
	}
	if stdout.String() != "[]\n" || stderr.String() != "ws76: interrupted after 0 of 8 attempts\n" {
		t.Errorf("%s%s", &stdout, &stderr)
	}
}

// Colours do not move the columns.
func TestProbeColours(t *testing.T) {
	print := func(colour bool) string {
		var b bytes.Buffer
		r := probeReport{&terminal.Printer{W: &b, Colour: colour}}
		r.row(probe.Result{Attempt: "76", Outcome: probe.Works, Detail: "x"}, false)
		r.row(probe.Result{Attempt: "13", Outcome: probe.LocationMismatch, Detail: "x"}, true)
		r.explain([]probe.Result{{Attempt: "13", Outcome: probe.Lost, Meaning: "m", Advice: "a"}}, new(probing).counts)
		return b.String()
	}
	coloured := print(true)
	for _, code := range []string{terminal.Green, terminal.Red, terminal.Bold, terminal.Cyan} {
		if !strings.Contains(coloured, "\x1b["+code+"m") {
			t.Errorf("no colour %s in %q", code, coloured)
		}
	}
	bare := coloured
	for _, code := range []string{"0", terminal.Green, terminal.Red, terminal.Bold, terminal.Cyan} {
		bare = strings.ReplaceAll(bare, "\x1b["+code+"m", "")
	}
	if plain := print(false); bare != plain || slices.Max([]byte(plain)) > '~' {
		t.Errorf("%q\nbut without colours\n%q", bare, plain)
	}
}
