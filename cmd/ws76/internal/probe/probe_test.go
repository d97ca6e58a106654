package probe

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// Groups of attempts.
var (
	of76    = []string{"76", "76-split", "76-declared"}
	of75    = []string{strict75, "75-lax"}
	ofHybi  = []string{"8", rfc6455}
	ofHTTP  = []string{"http"}
	sockets = slices.Concat(of76, of75, ofHybi)
	all     = slices.Concat(sockets, ofHTTP)
)

// A want is what attempts come to. The detail and the advice are to be found in
// those of the results.
type want struct {
	attempts       []string
	outcome        Outcome
	proxy          string
	detail, advice string
}

// verify makes the attempts of the wants and compares them.
func verify(t *testing.T, p *Prober, wants ...want) {
	t.Helper()
	var names []string
	for _, w := range wants {
		names = append(names, w.attempts...)
	}
	for _, r := range p.walk(t, names...) {
		w := wants[slices.IndexFunc(wants, func(w want) bool { return slices.Contains(w.attempts, r.Attempt) })]
		if r.Outcome != w.outcome || r.Proxy != w.proxy || !strings.Contains(r.Detail, w.detail) || !strings.Contains(r.Advice, w.advice) {
			t.Errorf("%s:\n got %s, proxy %q\n     %s\n     %s\nwant %s, proxy %q\n     %s\n     %s",
				r.Attempt, r.Outcome, r.Proxy, r.Detail, r.Advice, w.outcome, w.proxy, w.detail, w.advice)
		}
		if r.Meaning == "" || (r.Advice == "") != (r.Outcome == Works) {
			t.Errorf("%s: %s means %q, advice %q", r.Attempt, r.Outcome, r.Meaning, r.Advice)
		}
	}
}

func TestProbeAttempts(t *testing.T) {
	if got := Attempts(); !slices.Equal(got, all) {
		t.Errorf("attempts %q, want %q", got, all)
	}
}

// A server that does everything right sees clients that come and go in good
// order and say nothing else.
func TestProbeIsPolite(t *testing.T) {
	type visit struct {
		attempt legacy.Dialect
		origin  string
		path    string
		sent    []byte
	}
	visits := make(chan visit, len(all))
	p := serve(t, func(p *peer) {
		v := visit{p.dialect(), p.r.Header.Get("Origin") + p.r.Header.Get("Sec-WebSocket-Origin"), p.r.RequestURI, nil}
		v.sent = p.accepts()
		visits <- v
	})
	verify(t, p, want{attempts: all, outcome: Works})
	for _, name := range all {
		v := <-visits
		origin, goodbye := "http://"+p.URL.Host, ""
		switch v.attempt {
		case legacy.HTTP:
			origin = ""
		case legacy.Hixie76:
			goodbye = "\xff\x00"
		case legacy.Hybi08, legacy.RFC6455:
			goodbye = "\x03\xe8" // 1000
			h, ok := modern.ParseHeader(v.sent)
			if !ok || h.Opcode != modern.Close || !h.Masked {
				t.Errorf("%s: % x is no masked Close", name, v.sent)
				continue
			}
			v.sent = v.sent[h.Size:]
			modern.Mask(v.sent, v.sent, h.Key)
		}
		if v.origin != origin || v.path != "/chat?room=1" || string(v.sent) != goodbye {
			t.Errorf("%s: origin %q, path %q, sent % x; want %q, % x", name, v.origin, v.path, v.sent, origin, goodbye)
		}
	}
}

// What is asked for with -origin and -protocol.
func TestProbeOriginAndProtocol(t *testing.T) {
	for _, tt := range []struct {
		selected string
		want     []want
	}{
		{"chat, mqtt", []want{{attempts: slices.Concat(of76, of75), outcome: Works}, {attempts: ofHybi, outcome: Changed, detail: `Sec-WebSocket-Protocol: "chat, mqtt", not "chat, mqtt"`}}},
		{"mqtt", []want{
			{attempts: slices.Concat(of76, of75), outcome: Changed, detail: `Protocol: "mqtt", not "chat, mqtt"`, advice: "-protocol"},
			{attempts: ofHybi, outcome: Works},
		}},
		{"amqp", []want{{attempts: sockets, outcome: Changed, detail: `Protocol: "amqp", not "chat, mqtt"`}}},
	} {
		p := serve(t, func(p *peer) {
			if got := p.r.Header.Get("Origin") + p.r.Header.Get("Sec-WebSocket-Origin"); got != "null" {
				t.Errorf("origin %q, want null", got)
			}
			if !p.dialect().Legacy() {
				p.accepts("Sec-WebSocket-Protocol: " + tt.selected + "\r\n")
				return
			}
			edits("Protocol: chat, mqtt", "Protocol: "+tt.selected)(p)
		})
		p.Origin, p.Protocol = "null", "chat, mqtt"
		verify(t, p, tt.want...)
	}
}

func TestProbeUnreachable(t *testing.T) {
	verify(t, prober(t, "ws://127.0.0.1:1"), want{attempts: all, outcome: Unreachable, detail: "connection refused", advice: "127.0.0.1 is this machine or container itself"})
}

func TestProbeTLS(t *testing.T) {
	server := func(versions *tls.Config) string {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.TLS, s.Config.ErrorLog = versions, log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		return strings.Replace(s.URL, "https", "wss", 1)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	mute := serve(t, always(""))
	today := server(&tls.Config{})
	ancient := server(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10})
	insecure := tls.Config{InsecureSkipVerify: true}
	lax := tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
	for _, tt := range []struct {
		url    string
		config *tls.Config
		want   want
	}{
		{today, nil, want{outcome: Unreachable, detail: "the certificate's authority is unknown", advice: "-insecure"}},
		{today, &insecure, want{outcome: Works, detail: "404"}},
		{ancient, &insecure, want{outcome: Unreachable, detail: "protocol version", advice: "-min-tls 1.0"}},
		{ancient, &lax, want{outcome: Works, detail: "404"}},
		{"ws" + strings.TrimPrefix(today, "wss"), nil, want{outcome: RefusedByProxy, detail: "400", advice: "wss://"}},
		{"wss" + strings.TrimPrefix(plain.URL, "http"), nil, want{outcome: Unreachable, detail: "TLS", advice: "does not speak TLS: ask for ws://"}},
		{"wss" + strings.TrimPrefix(mute.URL.String(), "ws"), nil, want{outcome: Unreachable, detail: "TLS: ", advice: "ask for ws://"}},
	} {
		p := prober(t, tt.url)
		p.TLS = tt.config
		tt.want.attempts = ofHTTP
		verify(t, p, tt.want)
	}
}
