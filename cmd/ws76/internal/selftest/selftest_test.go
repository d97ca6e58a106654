package selftest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/legacy/legacytest"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/proxies"
)

const patience = 20 * time.Second

// start starts a gateway with a Test at /selftest, in front of an app that answers every
// request with its path. It returns the gateway and its address.
func start(t *testing.T, o translate.Options) (*translate.Gateway, string) {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "app "+r.URL.Path) }))
	t.Cleanup(app.Close)
	test := New("/selftest", o.Observer)
	t.Cleanup(func() { test.Close() })
	o.Local, o.Backend.Address = test.Local(), app.Listener.Addr().String()
	g := translate.New(o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go g.Serve(ln)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		g.Shutdown(ctx)
	})
	return g, ln.Addr().String()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// result is what the Test tells the page about an id, and the findings of the code.
func result(t *testing.T, address, query string) (string, Findings) {
	t.Helper()
	_, body := get(t, "http://"+address+"/selftest/result?"+query)
	line, rest, _ := strings.Cut(body, "\n")
	f, err := Decode(strings.TrimPrefix(line, "code "))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return rest, f
}

var texts = []string{"a", "\u00e9", "\u20ac", "\U0001f600", "", strings.Repeat("x", maxMessage)}

// The echo is there for every dialect, and the code says which one arrived, whatever the
// backend of the gateway speaks and is sent.
func TestEchoOfEveryDialect(t *testing.T) {
	for name, o := range map[string]translate.Options{
		"": {},
		"with a legacy backend, and texts of its own": {BackendDialect: legacy.Hixie76, BackendHost: "device", PathPrefix: "/prefix"},
		"with binary messages up":                     {BinaryUp: true, Binary: translate.BinaryClose},
	} {
		_, address := start(t, o)
		for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
			t.Run(fmt.Sprint(d, name), func(t *testing.T) {
				c := legacytest.Dial(t, d, "ws://"+address+"/selftest/echo?id=dialect0"+d.String())
				for _, text := range texts {
					if err := c.WriteText(text); err != nil {
						t.Fatal(err)
					}
					legacytest.Expect(t, c, text)
				}
				told, f := result(t, address, "id=dialect0"+d.String())
				if f.word(dialect) != d.String() || d == legacy.Hixie76 && told != "dialect 76\nkey3 0\n" {
					t.Errorf("%s: the page is told\n%s", d, told)
				}
			})
		}
		for _, version := range []string{"7", "8", "13"} {
			t.Run(version+name, func(t *testing.T) {
				conn, br := tunnel(t, address, "/selftest/echo?id=version0"+version, version)
				for _, text := range texts {
					conn.Write(modern.AppendFrame(nil, true, modern.Text, []byte(text), modern.NewKey()))
					want := modern.AppendServerFrame(nil, true, modern.Text, []byte(text))
					got := make([]byte, len(want))
					if _, err := io.ReadFull(br, got); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%.20q came back as %.20q, %v", want, got, err)
					}
				}
				if told, f := result(t, address, "id=version0"+version); f.word(dialect) != version || told != "dialect "+version+"\n" {
					t.Errorf("version %s: the page is told\n%s", version, told)
				}
			})
		}
	}
}

// tunnel opens a connection of version 7, 8 or 13.
func tunnel(t *testing.T, address, target, version string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: %s\r\n\r\n", target, address, version)
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	return conn, br
}

func closeCode(err error) int {
	closed := new(websocket.CloseError)
	errors.As(err, &closed)
	return closed.Code
}

func dial(t *testing.T, url string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: []string{protocol}}
	c, resp, err := dialer.Dial(url, http.Header{"Origin": {"http://kiosk.example"}})
	if err == nil {
		t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(patience))
	}
	return c, resp, err
}

// A connection to the echo has 200 messages of 64 KiB.
func TestBounds(t *testing.T) {
	_, address := start(t, translate.Options{})
	c, _, err := dial(t, "ws://"+address+"/selftest/echo")
	if err != nil || c.Subprotocol() != protocol {
		t.Fatal(err)
	}
	for n := range maxMessages + 1 {
		c.WriteMessage(websocket.TextMessage, []byte("x"))
		if _, _, err := c.ReadMessage(); (err == nil) != (n < maxMessages) || n == maxMessages && closeCode(err) != websocket.ClosePolicyViolation {
			t.Fatalf("message %d: %v", n, err)
		}
	}
	c, _, err = dial(t, "ws://"+address+"/selftest/echo")
	if err != nil {
		t.Fatal(err)
	}
	c.WriteMessage(websocket.TextMessage, make([]byte, maxMessage+1))
	if _, _, err := c.ReadMessage(); closeCode(err) != websocket.CloseMessageTooBig {
		t.Errorf("a larger message: %v", err)
	}
}

// A connection to the echo has 60 seconds.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		test := New("/selftest", nil)
		defer test.Close()
		conn, err := test.Local().Backend.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return conn, nil }}
		c, _, err := dialer.Dial("ws://localhost/selftest/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _, err = c.ReadMessage()
		if took := time.Since(began); took != maxTime || closeCode(err) != websocket.ClosePolicyViolation {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// The echo counts like any other connection, and is for the origins and dialects that the
// app is for.
func TestLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		options translate.Options
		status  int
	}{
		"connections":            {translate.Options{Limits: translate.Limits{Connections: 1}}, 503},
		"connections per client": {translate.Options{Limits: translate.Limits{ConnectionsPerClient: 1}}, 429},
		"handshakes":             {translate.Options{Limits: translate.Limits{HandshakesPerSecond: 1}}, 503},
		"origins":                {translate.Options{Origins: []string{"http://kiosk.example"}}, 403},
		"dialects":               {translate.Options{Dialects: []legacy.Dialect{legacy.RFC6455}}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			g, address := start(t, tt.options)
			c, _, err := dial(t, "ws://"+address+"/selftest/echo")
			if err != nil {
				t.Fatal(err)
			}
			c.WriteMessage(websocket.TextMessage, []byte("counted as open"))
			c.ReadMessage()
			err = nil
			for n := 0; err == nil && n < 20; n++ { // the second may be a second later
				_, err = (&legacy.Dialer{Dialect: legacy.Hixie76}).Dial(t.Context(), "ws://"+address+"/selftest/echo") // of another origin
			}
			if err == nil || !strings.Contains(err.Error(), fmt.Sprint(tt.status)) {
				t.Errorf("the second connection: %v, want %d", err, tt.status)
			}
			if n := g.Stats().Open[legacy.RFC6455]; n != 1 {
				t.Errorf("%d connections are counted as open", n)
			}
		})
	}
}

// Nothing but the path and what is below it is the Test's; an opening handshake is for the
// echo only.
func TestPaths(t *testing.T) {
	_, address := start(t, translate.Options{})
	for path, want := range map[string]string{
		"/": "app /", "/selftests": "app /selftests", "/app/selftest": "app /app/selftest",
		"/selftest": "<!DOCTYPE html>", "/selftest/": "<!DOCTYPE html>", "/selftest/other": "404", "/selftest/echo": "this is for WebSockets",
	} {
		if _, body := get(t, "http://"+address+path); !strings.HasPrefix(body, want) {
			t.Errorf("%s is %.40q, want %q", path, body, want)
		}
	}
	for _, path := range []string{"/selftest", "/selftest/result", "/selftest/echo/more"} {
		if _, resp, err := dial(t, "ws://"+address+path); err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("a WebSocket to %s: %v", path, err)
		}
	}
}

// What a proxy does to the handshake of -76 is in the code, and the page is not told which
// proxy and what to change.
func TestFaults(t *testing.T) {
	const fields = "Host: kiosk.example\r\nOrigin: http://kiosk.example\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-Websocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-Websocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n"
	for _, tt := range []struct {
		name, head, behind string
		told               string
		words              map[field]string
	}{
		{"held", "GET /selftest/echo?id=faultheld HTTP/1.1\r\n" + fields, "", "dialect 76\nkey3 never\nfault yes\n", map[field]string{fault: "held", proxy: "go", key3: "never", refusal: "key3-timeout"}},
		{"late", "GET /selftest/echo?id=faultlate HTTP/1.1\r\n" + fields, legacytest.Key3, "dialect 76\nkey3 ", map[field]string{key3: "within 1 s", fault: ""}},
		{"downgraded", "GET /selftest/echo?id=faultdowngraded HTTP/1.0\r\nX-Real-IP: 192.0.2.1\r\n" + strings.ReplaceAll(fields, "Websocket", "WebSocket"), "", "dialect http\nfault yes\n", map[field]string{fault: "downgraded", proxy: "nginx"}},
		{"stripped", "GET /selftest/echo?id=faultstripped HTTP/1.1\r\nHost: kiosk.example\r\nX-Varnish: 1\r\n\r\n", "", "dialect http\nfault yes\n", map[field]string{fault: "stripped", proxy: "varnish"}},
		{"other", "GET /selftest/echo?id=faultother HTTP/1.1\r\n" + strings.Replace(fields, "12998 5 Y3 1  .P00", "no digits", 1), "", "dialect 76\nrefused other\n", map[field]string{refusal: "other"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wait := patience
			if tt.name == "held" {
				wait = 100 * time.Millisecond // for what never comes
			}
			_, address := start(t, translate.Options{Timeouts: translate.Timeouts{Key3: wait}})
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			io.WriteString(conn, tt.head)
			br := bufio.NewReader(conn)
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, tt.behind)
			switch {
			case tt.behind != "":
				br.Discard(16)
			case tt.name == "held":
				io.Copy(io.Discard, br) // until ws76 has given up
			default:
				io.Copy(io.Discard, resp.Body)
				conn.Close() // or ws76 waits a second for it
			}
			told, f := result(t, address, "id=fault"+tt.name+"&fault=lost&proxy=squid")
			for told == "dialect \n" { // a refusal is noted when it is out
				told, f = result(t, address, "id=fault"+tt.name)
			}
			if !strings.HasPrefix(told, tt.told) {
				t.Errorf("the page is told\n%swant\n%s", told, tt.told)
			}
			for at, word := range tt.words {
				if f.word(at) != word {
					t.Errorf("%s is %q, want %q", about(at), f.word(at), word)
				}
			}
		})
	}
}

func about(at field) string { return fields[at].about }

// The code has what the page found, and ignores what it cannot have found.
func TestResultOfThePage(t *testing.T) {
	_, address := start(t, translate.Options{})
	_, f := result(t, address, "id=none&api=MozWebSocket&string=throws&array=works&open=opened&opentime=99&byte4=wrong&close=not+clean&roundtrip=-1&path=failed&secure=https&large=nonsense&dialect=76&opentime=x")
	want := Findings{}
	for at, word := range map[field]string{api: "MozWebSocket", oneProtocol: "throws", protocolList: "works", opening: "opened", fourBytes: "wrong", closing: "not clean", ownPath: "failed", page: "https"} {
		want.set(at, word)
	}
	want.setTime(openTime, 99)
	want.setTime(roundTrip, -1)
	if f != want {
		t.Errorf("the code has %v, want %v", f, want)
	}
}

// What is remembered is bounded, and named by ids of the page only.
func TestRecordsAreBounded(t *testing.T) {
	var r records
	for _, id := range []string{"", "short", "<script>alert(1)", strings.Repeat("x", 17)} {
		if r.change(id, func(*record) { t.Errorf("%q is an id", id) }); r.next != 0 {
			t.Errorf("%q is remembered", id)
		}
	}
	for n := range 2 * maxRecords {
		r.change(fmt.Sprintf("test%08d", n), func(known *record) { known.set(dialect, "76") })
	}
	for n, want := range map[int]string{maxRecords - 1: "", maxRecords: "76", 2*maxRecords - 1: "76"} {
		if got := r.get(fmt.Sprintf("test%08d", n)).word(dialect); got != want {
			t.Errorf("test %d: %q, want %q", n, got, want)
		}
	}
}

// An open echo ends in its dialect, and holds up no drain.
func TestDrain(t *testing.T) {
	g, address := start(t, translate.Options{})
	c := legacytest.Dial(t, legacy.Hixie76, "ws://"+address+"/selftest/echo")
	modern, _, err := dial(t, "ws://"+address+"/selftest/echo")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		_, err := c.ReadText()
		c.WriteClose()
		c.Close()
		ended <- err
	}()
	go func() {
		_, _, err := modern.ReadMessage()
		modern.Close()
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := g.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("a message came")
		}
	}
}

// observer is another observer beside the Test.
type observer struct{ bytes, closed chan struct{} }

func (o *observer) Handshake(*translate.Exchange) translate.Tap { return o }
func (o *observer) Bytes(translate.Side, bool, []byte) {
	select {
	case o.bytes <- struct{}{}:
	default:
	}
}
func (o *observer) Closed(translate.End, translate.Damage) { close(o.closed) }

// The inspector sees the echo too.
func TestNextObserver(t *testing.T) {
	o := &observer{make(chan struct{}, 1), make(chan struct{})}
	_, address := start(t, translate.Options{Observer: o})
	c := legacytest.Dial(t, legacy.Hixie76, "ws://"+address+"/selftest/echo")
	c.WriteText("x")
	legacytest.Expect(t, c, "x")
	c.Close()
	for _, seen := range []chan struct{}{o.bytes, o.closed} {
		select {
		case <-seen:
		case <-time.After(patience):
			t.Fatal("not seen")
		}
	}
}

// later is what browsers of 2009 cannot parse or do not have.
var later = regexp.MustCompile("\\b(let|const|class|JSON|forEach|indexOf\\(['\"]|trim|bind|Promise|fetch|querySelector\\w*|classList|addEventListener|console|Date\\.now|Object\\.|Array\\.)\\b|=>|`|,\\s*[\\]})]|\\.(catch|default|delete|class|new|return|throw|try|continue|in|for|if)\\b")

// The page is for browsers of 2009, asks nobody else for anything, runs its own script
// only, and names no proxy and no line to change.
func TestPage(t *testing.T) {
	code := regexp.MustCompile(`(?m)//.*$|/\*.*?\*/|'[^'\n]*'`).ReplaceAllString(script, "s")
	if found := later.FindAllString(code, -1); found != nil {
		t.Errorf("not ECMAScript 3: %q", found)
	}
	if !later.MatchString("a = [1, ]") || !later.MatchString("x => x") || !later.MatchString("p.catch") {
		t.Error("nothing would be found")
	}
	for _, never := range append(proxies.Names(), "http://", "https://", "innerHTML", "document.write", "WS76_") {
		if never != "go" && strings.Contains(strings.ToLower(document), strings.ToLower(never)) {
			t.Errorf("the page has %s", never)
		}
	}
	_, address := start(t, translate.Options{})
	resp, err := http.Get("http://" + address + "/selftest")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	csp := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", hash(script), hash(style)} {
		if !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") {
			t.Errorf("the policy is %s, without %s", csp, want)
		}
	}
}
