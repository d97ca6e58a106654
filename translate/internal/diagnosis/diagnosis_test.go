package diagnosis

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/proxies"
)

func TestStripped(t *testing.T) {
	for fields, want := range map[string]bool{
		"":                              false,
		"Upgrade: WebSocket\r\n":        false,
		"Sec-WebSocket-Key: x\r\n":      false,
		"Sec-WebSocket-Version: 13\r\n": false,
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n":                                                                        true,
		"Sec-WebSocket-Key1: 1 1\r\nSec-WebSocket-Key2: 1 1\r\n":                                                                       true,
		"Upgrade: WebSocket\r\nSec-WebSocket-Key1: 1 1\r\n":                                                                            true,
		"Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key1: 1 1\r\n":                                                     false, // another fault
		"Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Draft: 9\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n": false,
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		d, err := legacy.Detect(r)
		if got := d == legacy.HTTP && stripped(r, err); got != want {
			t.Errorf("%q: %t, want %t", fields, got, want)
		}
	}
}

// Each diagnosis is logged once a minute, whatever the others do.
func TestDiagnosisOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Diagnoses
		lost, maybe, held := Diagnosis{proxies.Lost, true}, Diagnosis{proxies.Lost, false}, Diagnosis{proxies.Held, true}
		for _, tt := range []struct {
			after time.Duration
			what  Diagnosis
			want  bool
		}{
			{0, lost, true}, {0, lost, false}, {0, held, true}, {0, maybe, true},
			{time.Minute - 1, lost, false}, {1, lost, true}, {0, held, true}, {0, lost, false}, {time.Minute - 1, lost, false},
		} {
			time.Sleep(tt.after)
			if got := d.Due(tt.what); got != tt.want {
				t.Errorf("after %s, %v: %t, want %t", tt.after, tt.what, got, tt.want)
			}
		}
	})
}

// What a request that has just come says about the proxies on its way.
func TestFaultOf(t *testing.T) {
	const upgrade = "Upgrade: WebSocket\r\nConnection: Upgrade\r\n"
	const hybi = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n"
	for head, want := range map[string]proxies.Fault{
		"GET / HTTP/1.1\r\n":                   "",
		"GET / HTTP/1.0\r\n":                   "",
		"GET / HTTP/1.1\r\n" + upgrade:         "",
		"GET / HTTP/1.0\r\n" + upgrade:         proxies.Downgraded,
		"GET / HTTP/1.0\r\n" + upgrade + hybi:  proxies.Downgraded,
		"GET / HTTP/1.1\r\n" + hybi:            proxies.Stripped,
		"POST / HTTP/1.1\r\n" + upgrade + hybi: "",
		"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n" + "Sec-WebSocket-Key1: 1 1\r\n": proxies.Stripped,
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "Host: a\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		d, err := legacy.Detect(r)
		if got := FaultOf(r, d, err); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
}

// What the end of a connection without a message looks like.
func TestDeparture(t *testing.T) {
	for _, tt := range []struct {
		end  Departure
		want proxies.Fault
	}{
		{Departure{}, ""},
		{Departure{Gone: true}, proxies.Lost},
		{Departure{Gone: true, After: promptly}, proxies.Lost},
		{Departure{Gone: true, After: promptly + 1}, ""},
		{Departure{Gone: true, Misplaced: true}, proxies.Rewritten},
		{Departure{Misplaced: true}, ""},
		{Departure{Cut: true, After: time.Hour, Misplaced: true}, proxies.Lost},
		{Departure{Skipped: true, After: time.Hour}, proxies.Lost},
	} {
		if got := tt.end.Fault(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.end, got, tt.want)
		}
	}
}

func TestRouteOf(t *testing.T) {
	for remote, want := range map[string]Route{
		"192.0.2.1:5":     {"192.0.2.1", "nginx"},
		"[2001:db8::1]:5": {"2001:db8::1", "nginx"},
		"@":               {"@", "nginx"},
	} {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Real-Ip": {"192.0.2.7"}}}
		if got := RouteOf(r, nil); got != want {
			t.Errorf("%s: %v, want %v", remote, got, want)
		}
	}
}

// What is only possible is said otherwise, and never without a recipe.
func TestDamage(t *testing.T) {
	certain, perhaps := Diagnosis{proxies.Lost, true}.By("nginx"), Diagnosis{proxies.Lost, false}.By("nginx")
	if certain.Meaning != proxies.Lost.Meaning() || perhaps.Meaning != proxies.Lost.Doubt() || certain.Meaning == perhaps.Meaning {
		t.Errorf("certain: %q, perhaps: %q", certain.Meaning, perhaps.Meaning)
	}
	if certain.Fault != proxies.Lost || certain.Proxy != "nginx" || certain.Change == "" || certain.Change != perhaps.Change {
		t.Errorf("%+v, %+v", certain, perhaps)
	}
}

// A client that talks now acquits the proxy, for those who come later too.
func TestProven(t *testing.T) {
	var d Diagnoses
	nginx := Route{"10.0.0.1", "nginx"}
	talk := false
	talks := func(by Route) bool { return talk && by == nginx }
	for i, client := range []string{"a", "b", "c"} {
		if got, want := d.Proven(nginx, client, talks), i == 2; got != want {
			t.Errorf("client %s: proven %t", client, got)
		}
	}
	talk = true
	if d.Proven(nginx, "d", talks) {
		t.Error("proven while a client talks")
	}
	talk = false
	if d.Proven(nginx, "e", talks) {
		t.Error("proven after a client talked")
	}
	caddy := Route{"10.0.0.1", "caddy"}
	d.Worked(caddy)
	for _, client := range []string{"a", "b", "c"} {
		if d.Proven(caddy, client, talks) {
			t.Error("proven where a client has sent a message")
		}
	}
}
