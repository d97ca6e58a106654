package inspect

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/legacy/legacytest"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/proxies"
)

func port(t *testing.T, i *Inspector) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /inspect", i.Page)
	mux.HandleFunc("GET /inspect/events", i.Events)
	mux.HandleFunc("GET /inspect/export", i.Export)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string) (string, http.Header) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body), resp.Header
}

// The page is one file that may run its own script only and asks nobody else.
func TestPage(t *testing.T) {
	body, header := get(t, port(t, New(1<<20, "")).URL+"/inspect")
	csp := header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", hash(script), hash(style)} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %s: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "data:") {
		t.Errorf("the policy is %s", csp)
	}
	for _, never := range []string{"http://", "https://", "//cdn", "innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %s", never)
		}
	}
}

func TestExportMasks(t *testing.T) {
	i := New(1<<20, "")
	c := opened(i, legacy.Hixie76)
	feed(c, []said{{"client<", "\x00<script>\xff"}}, 100)
	i.Handshake(&translate.Exchange{Dialect: legacy.RFC6455, Request: []byte(head), Reason: translate.BackendRefused, Detail: "/x?token=sesame"})
	s := port(t, i)
	secrets := []string{"sesame", "secret1", "secret2", "secret3", "secret4"}
	body, header := get(t, s.URL+"/inspect/export")
	for _, secret := range secrets {
		if strings.Contains(body, secret) {
			t.Errorf("the export has %s:\n%s", secret, body)
		}
	}
	if !strings.Contains(body, "4 @1  46546xW%0l 1 5?x") || !strings.Contains(body, "chat.example") {
		t.Errorf("the export lacks what is no secret:\n%s", body)
	}
	if got := header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("the type is %s", got)
	}
	body, _ = get(t, s.URL+"/inspect/export?secrets=1")
	for _, secret := range secrets {
		if !strings.Contains(body, secret) {
			t.Errorf("with secrets=1, the export lacks %s", secret)
		}
	}
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3", len(lines))
	}
	one, _ := get(t, s.URL+"/inspect/export?connection=2")
	if strings.Count(one, "\n") != 1 || !strings.Contains(one, `"state":"refused"`) {
		t.Errorf("one connection: %s", one)
	}
}

// A secret is masked in the shapes that a search line by line misses, too: a folded field, a
// method or a scheme in another case, a URL inside a value.
func TestExportMasksEveryShape(t *testing.T) {
	for _, tt := range []struct{ head, want string }{
		{"GET / HTTP/1.1\r\nCookie: a;\r\n\tsecret\r\n secret\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nCookie: ***\r\nHost: h\r\n\r\n"},
		{"HTTP/1.1 101 x\r\nset-cookie:\r\n secret\r\n\r\n", "HTTP/1.1 101 x\r\nset-cookie: ***\r\n\r\n"},
		{"GET / HTTP/1.1\nCookie: secret\nHost: h\n\n", "GET / HTTP/1.1\nCookie: ***\nHost: h\n\n"},
		{"get /?secret HTTP/1.1\r\n", "get /?*** HTTP/1.1\r\n"},
		{"M-SEARCH /?secret HTTP/1.1\r\n", "M-SEARCH /?*** HTTP/1.1\r\n"},
		{"Referer: HTTP://h/?secret\r\n", "Referer: HTTP://h/?***\r\n"},
		{"X-Url2: /?secret\r\nLink: </?secret>; rel=next\r\n", "X-Url2: /?***\r\nLink: </?*** rel=next\r\n"},
		{"proxy_authorization: secret\r\nCookie2: secret\r\nX-Forwarded-Access-Token: secret\r\n", "proxy_authorization: ***\r\nCookie2: ***\r\nX-Forwarded-Access-Token: ***\r\n"},
		{"Sec-WebSocket-Key1: 4 ?@1\r\nsec-websocket-key2: 1 ?x\r\n", "Sec-WebSocket-Key1: 4 ?@1\r\nsec-websocket-key2: 1 ?x\r\n"},
	} {
		if got := (card{Request: tt.head}).masked().Request; got != tt.want {
			t.Errorf("%q became\n%q, want\n%q", tt.head, got, tt.want)
		}
	}
}

// The sums are those of the draft's own example (-76 section 1.2).
func TestChallenge(t *testing.T) {
	i := New(1<<20, "")
	key3 := [8]byte([]byte("^n:ds[4U"))
	c := i.Handshake(&translate.Exchange{
		Dialect: legacy.Hixie76, Key3: &key3, Response: []byte("HTTP/1.1 101 x\r\n\r\n8jKS'y:G*Co,Wxa-"),
		Request: []byte("GET / HTTP/1.1\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\r\n"),
	}).(*conn)
	k := c.card()
	if k.Challenge.Key1 != (share{"4 @1  46546xW%0l 1 5", 4146546015, 5, 829309203}) || k.Challenge.Key2 != (share{"12998 5 Y3 1  .P00", 1299853100, 5, 259970620}) {
		t.Errorf("the keys: %+v", k.Challenge)
	}
	if want := "316e4113" + "0f7ed63c" + "5e6e3a64735b3455"; string(must(k.Challenge.Input.MarshalText())) != want || string(k.Challenge.MD5) != "8jKS'y:G*Co,Wxa-" || k.Response != "HTTP/1.1 101 x\r\n\r\n" {
		t.Errorf("16 bytes %x, MD5 %q, response %q", []byte(k.Challenge.Input), k.Challenge.MD5, k.Response)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An eventStream reads server-sent events.
type eventStream struct {
	t     *testing.T
	lines *bufio.Reader
	resp  *http.Response
}

func watch(t *testing.T, url string) *eventStream {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &eventStream{t, bufio.NewReader(resp.Body), resp}
}

// next reads up to the next event of a name into v.
func (s *eventStream) next(name string, v any) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if line != "event: "+name+"\n" {
			continue
		}
		line, err = s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), v); err != nil {
			s.t.Fatal(err)
		}
		return
	}
}

type rowsEvent struct {
	LeftOut int   `json:"left_out"`
	Rows    []row `json:"rows"`
}

func TestEvents(t *testing.T) {
	i := New(16<<20, "")
	c := opened(i, legacy.Hixie76)
	feed(c, []said{{"client<", "\x00Hello"}}, 100)
	s := watch(t, port(t, i).URL+"/inspect/events?connection=1")
	var list struct {
		IDs     []int64
		Changed []summary
		Held    int64
		Memory  int64
	}
	s.next("connections", &list)
	if len(list.IDs) != 1 || len(list.Changed) != 1 || list.Changed[0].Path != "/chat" || list.Changed[0].State != "open" || list.Held == 0 || list.Memory != 16<<20 {
		t.Errorf("the connections: %+v", list)
	}
	var k card
	s.next("handshake", &k)
	if k.Challenge == nil || !strings.Contains(k.Request, "Key1") {
		t.Errorf("the handshake: %+v", k)
	}
	var news rowsEvent
	s.next("rows", &news)
	if len(news.Rows) != 1 || news.Rows[0].Client.String() != "@0 h[00]p[48656c6c6f]" {
		t.Fatalf("the first rows: %v", news.Rows)
	}
	seq := news.Rows[0].Seq
	feed(c, []said{{"client<", "\xff"}, {"backend>", "\x81\x80\x00\x00\x00\x00"}}, 100)
	news = rowsEvent{}
	s.next("rows", &news)
	if len(news.Rows) != 1 || news.Rows[0].Seq != seq || news.Rows[0].Backend == nil {
		t.Errorf("the row, complete: %+v", news.Rows)
	}
	c.Closed(translate.End{By: translate.ByClient, Reason: translate.ClientGone}, translate.Damage{Fault: proxies.Lost})
	s.next("handshake", &k)
	if k.Damage.Fault != "lost" {
		t.Errorf("the damage that the end shows: %+v", k.Damage)
	}
}

// A page hears of all connections, the newest first, though of a bounded number at once, and
// of those that go on before it hears of others again. What broke: of more than 200 it heard
// of the others only when they changed, so an idle one was never in the list.
func TestEventsOfManyConnections(t *testing.T) {
	i := New(64<<20, "")
	var conns []*conn
	for range 3*maxChanged - 50 {
		conns = append(conns, opened(i, legacy.Hixie76))
	}
	v := &viewer{inspector: i}
	heard := func() (ids []int64) {
		w := httptest.NewRecorder()
		v.w = w
		for _, c := range conns[len(conns)-maxChanged:] { // the newest are busy
			c.Bytes(translate.ByClient, false, []byte("\x00Hello\xff"))
		}
		v.connections()
		var list struct{ Changed []summary }
		_, data, _ := strings.Cut(w.Body.String(), "data: ")
		if err := json.Unmarshal([]byte(data), &list); err != nil {
			t.Fatal(err)
		}
		for _, s := range list.Changed {
			ids = append(ids, s.ID)
		}
		return ids
	}
	var all []int64
	for range 3 {
		all = append(all, heard()...)
	}
	for n := range conns {
		if n >= len(all) || all[n] != int64(len(conns)-n) {
			t.Fatalf("after %d connections the page hears of %v, want %d", n, all[n:min(n+3, len(all))], len(conns)-n)
		}
	}
	if again := heard(); len(again) != maxChanged || again[0] != all[50] {
		t.Errorf("then it hears of %d again, the first is %v", len(again), again[:1])
	}
}

// A page gets a bounded number of rows at once, the newest, and the number of the others.
func TestEventsSample(t *testing.T) {
	i := New(64<<20, "")
	c := opened(i, legacy.Hixie76)
	for n := range 10_000 {
		c.Bytes(translate.ByClient, false, []byte("\x00"+strconv.Itoa(n)+"\xff"))
	}
	s := watch(t, port(t, i).URL+"/inspect/events?connection=1")
	var news rowsEvent
	s.next("rows", &news)
	if len(news.Rows) != backlog || news.LeftOut != 10_000-backlog {
		t.Errorf("%d rows, %d left out", len(news.Rows), news.LeftOut)
	}
	if payload, _ := news.Rows[backlog-1].Client.message(); string(payload) != "9999" {
		t.Errorf("the last row is %q", payload)
	}
}

// A browser that takes nothing holds up neither the connection nor another browser.
func TestSlowViewer(t *testing.T) {
	i := New(64<<20, "")
	c := opened(i, legacy.Hixie76)
	server := port(t, i)
	slow, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET /inspect/events?connection=1 HTTP/1.1\r\nHost: x\r\n\r\n") // and reads nothing
	for n := range 20_000 {
		c.Bytes(translate.ByClient, false, []byte("\x00"+strings.Repeat("x", 1000)+strconv.Itoa(n)+"\xff"))
	}
	var news rowsEvent
	watch(t, server.URL+"/inspect/events?connection=1").next("rows", &news)
	if len(news.Rows) != backlog {
		t.Errorf("the other browser gets %d rows", len(news.Rows))
	}
}

func TestViewersAreBounded(t *testing.T) {
	i := New(1<<20, "")
	s := port(t, i)
	for range maxViewers {
		watch(t, s.URL+"/inspect/events").next("connections", new(any))
	}
	resp, err := http.Get(s.URL + "/inspect/events")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many gets %s", resp.Status)
	}
}

// What was exported is played against a backend, and against one that answers otherwise.
func TestReplay(t *testing.T) {
	answer := "echo: "
	var seen *http.Request
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		ws.WriteMessage(websocket.TextMessage, []byte("welcome"))
		for {
			kind, m, err := ws.ReadMessage()
			if err != nil {
				return
			}
			ws.WriteMessage(kind, append([]byte(answer), m...))
		}
	}))
	defer backend.Close()
	i := New(1<<20, "")
	c := opened(i, legacy.Hixie76)
	feed(c, []said{{"backend<", "\x81\x07welcome"}, {"client<", "\x00a\xe9\xff"}, {"backend>", "\x81\x84\x00\x00\x00\x00a\xef\xbf\xbd"}, {"backend<", "\x81\x0aecho: a\xef\xbf\xbd"}, {"backend<", "\x89\x00"}}, 3)
	export, _ := get(t, port(t, i).URL+"/inspect/export")
	dialer := modern.Dialer{Address: backend.Listener.Addr().String()}

	var out bytes.Buffer
	if err := Replay(context.Background(), strings.NewReader(export), dialer, "/v2", &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if seen.URL.String() != "/v2/chat" || seen.Header.Get("Cookie") != "" {
		t.Errorf("the backend was asked for %s with cookie %q", seen.URL, seen.Header.Get("Cookie"))
	}
	var v vector
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if !v.Same || len(v.Steps) != 3 || string(v.Steps[1].Hex) != "a\uFFFD" || string(*v.Steps[2].Got) != "echo: a\uFFFD" {
		t.Errorf("the vector is %s", &out)
	}

	answer = "other: "
	out.Reset()
	if err := Replay(context.Background(), strings.NewReader(export), dialer, "", &out); err == nil || !strings.Contains(out.String(), `"same": false`) {
		t.Errorf("another answer: %v\n%s", err, &out)
	}
	if err := Replay(context.Background(), strings.NewReader("no JSON\n"), dialer, "", &out); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
		t.Errorf("what is no export: %v", err)
	}
}

// What was exported of a backend of -76 or -75 is played to one.
func TestReplayLegacyBackend(t *testing.T) {
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		server := legacytest.NewServer(t, nil)
		i := New(1<<20, "")
		c := i.Handshake(&translate.Exchange{
			Dialect: legacy.RFC6455, Backend: d, Path: "/device",
			Forwarded: []byte("GET /device HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: device\r\nOrigin: http://device.example\r\n\r\n"),
		}).(*conn)
		feed(c, []said{{"client<", "\x81\x82\x00\x00\x00\x00hi"}, {"backend>", "\x00hi\xff"}, {"backend<", "\x00hi\xff"}, {"client>", "\x81\x02hi"}}, 100)
		export, _ := get(t, port(t, i).URL+"/inspect/export")
		var out bytes.Buffer
		if err := Replay(t.Context(), strings.NewReader(export), modern.Dialer{Address: strings.TrimPrefix(server, "ws://")}, "", &out); err != nil {
			t.Errorf("%s: %v\n%s", d, err, &out)
		}
		if text := out.String(); strings.Count(text, "6869") != 3 || !strings.Contains(text, `"same": true`) {
			t.Errorf("%s: %s", d, text)
		}
	}
}

// The format of the export is documented: every field of every line.
func TestExportIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "### The inspector")
	text, _, _ = strings.Cut(text, "\n## ")
	for _, of := range []reflect.Type{reflect.TypeFor[summary](), reflect.TypeFor[carried](), reflect.TypeFor[exported](), reflect.TypeFor[row](), reflect.TypeFor[wire](), reflect.TypeFor[card](), reflect.TypeFor[sum](), reflect.TypeFor[share](), reflect.TypeFor[refusal](), reflect.TypeFor[translate.Damage]()} {
		for f := range of.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && !strings.Contains(text, "`"+name+"`") {
				t.Errorf("nothing about %s of %s", name, of)
			}
		}
	}
	for _, k := range []kind{ping, pong, closing, skipped, other, ended} {
		if !strings.Contains(text, string(k)) {
			t.Errorf("nothing about the kind %s", k)
		}
	}
}
