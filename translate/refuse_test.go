package translate_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// A handshake that is wrong is refused as HTTP, whole and to the end of TCP,
// whenever its key3 comes, and the backend never hears of it.
func TestRefusals(t *testing.T) {
	// These two are plain HTTP, and the backend's to answer.
	plain := []string{"r-plain-http", "r-wrong-upgrade"}
	for _, v := range vectors(t, 15, func(v vector) bool { return v.Expect == "refuse" && !slices.Contains(plain, v.ID) }) {
		t.Run(v.ID, func(t *testing.T) {
			r := newRig(t)
			defer r.backend.untouched()
			for _, late := range []bool{false, true} {
				c := r.dial()
				if late {
					c.say(v.RequestHead)
					c.br.Peek(1) // the refusal is there before the tail is sent
					c.say(string(v.Request[len(v.RequestHead):]))
				} else {
					c.say(string(v.Request))
				}
				resp := checkRefusal(t, c, v.Status, "")
				for name, want := range v.RefusalHeaders {
					if got := resp.Header[http.CanonicalHeaderKey(name)]; len(got) != 1 || got[0] != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				c.Close()
			}
		})
	}
}

// Promise 8: the reason of a refusal is one word, in the log, in the statistics
// and in the body.
func TestRefusalSaysWhy(t *testing.T) {
	for _, test := range []struct {
		head    string
		dialect legacy.Dialect
		status  int
		reason  translate.Reason
	}{
		{strings.Replace(head76, "46546xW%0l 1 5", "46546xW%0l 1 6", 1), legacy.Hixie76, 400, "not-multiple"},
		{with(head76, "Sec-WebSocket-Draft: 3\r\n"), legacy.HTTP, 400, "draft-unsupported"},
		{with(head75, "Content-Length: 5\r\n"), legacy.Hixie75, 400, "body-not-allowed"},
		{strings.Replace(head76, "Upgrade: WebSocket\r\n", "", 1), legacy.HTTP, 400, "upgrade-missing"},
		{with(head75, "WebSocket-Protocol: two words\r\n"), legacy.Hixie75, 400, "bad-subprotocol"},
		{strings.Replace(head75, "Origin: ", "Origin: "+strings.Repeat("x", 4096), 1), legacy.Hixie75, 400, "bad-origin"},
	} {
		t.Run(string(test.reason), func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(test.head)
			checkRefusal(t, c, test.status, test.reason)
			r.refused(test.dialect, test.reason)
			r.log.want(t, "opening handshake refused", map[string]any{
				"dialect": test.dialect.String(), "status": test.status, "reason": string(test.reason),
				"client": c.LocalAddr().String(), "path": "/demo",
			})
			r.backend.untouched()
		})
	}
}

// What net/http refuses before it is a request has a reason too, is counted,
// logged and drained.
func TestRefusesUnread(t *testing.T) {
	t.Parallel()
	for id, test := range map[string]struct {
		request string
		status  int
		reason  translate.Reason
	}{
		"no-host":     {strings.Replace(head76, "Host: example.com\r\n", "", 1) + key3, 400, translate.BadRequest},
		"two-hosts":   {with(head76, "Host: other\r\n") + key3, 400, translate.BadRequest},
		"not-http":    {"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\r\n\r\n", 400, translate.BadRequest},
		"bad-field":   {with(head75, "a b: c\r\n"), 400, translate.BadRequest},
		"two-lengths": {with(head76, "Content-Length: 8\r\n", "Content-Length: 9\r\n") + key3, 400, translate.BadRequest},
		"expectation": {with(head76, "Expect: the-worst\r\n") + key3, 417, translate.BadExpectation},
		"coding":      {with(head76, "Transfer-Encoding: gzip\r\n") + key3, 501, translate.BadTransferCoding},
		"connect":     {"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 501, translate.MethodNotSupported},
		"preface":     {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version"},
		"version":     {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505, "http-version"},
		"second":      {"OPTIONS /first HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400, translate.BadRequest},
		"second-long": {"OPTIONS /first HTTP/1.1\r\nHost: h\r\n\r\nGET /" + strings.Repeat("x", 20<<10) + " HTTP/1.1\r\n\r\n", 431, translate.HeadTooLarge},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := r.dial()
			c.say(test.request)
			if strings.HasPrefix(test.request, "OPTIONS /first ") {
				r.backend.next().say("HTTP/1.1 204 No Content\r\nX-First: 1\r\n\r\n")
				if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.Header.Get("X-First") == "" {
					t.Fatalf("answer %+v, %v, want the first", resp, err)
				}
			}
			checkRefusal(t, c, test.status, test.reason)
			if !noReset(c) {
				t.Error("the connection is reset")
			}
			r.refused(legacy.HTTP, test.reason)
			r.log.want(t, "request refused", map[string]any{"status": test.status, "reason": string(test.reason), "client": c.LocalAddr().String()})
			r.backend.untouched()
		})
	}
}

// What should have come elsewhere is named: it was an error without a word.
func TestRefusesStrangers(t *testing.T) {
	for request, want := range map[string]string{
		"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03\r\n\r\n":                    "TLS came",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n": "a PROXY header came",
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00GET / HTTP/1.1\r\nHost: h\r\n\r\n": "a PROXY header of version 2 came",
	} {
		t.Run(want, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(request)
			checkRefusal(t, c, 400, translate.BadRequest)
			line := r.log.find(t, "request refused")
			if got := fmt.Sprint(line["error"]); !strings.Contains(got, want) {
				t.Errorf("the log says error=%s, want %q", got, want)
			}
		})
	}
}

// A head that does not come whole in time is refused with a reason and counted, wherever it
// is cut; a connection on which nothing has come is closed without a word. What broke: it was
// a bad request or nothing at all, by where it was cut.
func TestRefusesLateHeads(t *testing.T) {
	t.Parallel()
	const (
		first  = "GET /first HTTP/1.1\r\nHost: example.com\r\n\r\n"
		posted = "POST /first HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	)
	for id, test := range map[string]struct{ before, part string }{
		"one byte":           {"", "G"},
		"in the method":      {"", "GE"},
		"behind the line":    {"", "GET /demo HTTP/1.1\r\n"},
		"in a name":          {"", "GET /demo HTTP/1.1\r\nHo"},
		"in a value":         {"", "GET /demo HTTP/1.1\r\nHost: exa"},
		"before the end":     {"", strings.TrimSuffix(head76, "\r\n")},
		"second":             {first, "GET /demo HTTP/1.1\r\nHo"},
		"second, pipelined":  {first + "GET /demo HTTP/1.1\r\nHo", ""},
		"behind a chunk":     {posted, "GET /demo HTTP/1.1\r\nHo"},
		"nothing":            {"", ""},
		"nothing behind one": {first, ""},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *translate.Options) {
				o.Timeouts.Head, o.Timeouts.KeepAlive = 300*time.Millisecond, 300*time.Millisecond
				if test.part != "" {
					o.Timeouts.KeepAlive = patience // or a test that is late has its connection closed before the part
				}
			})
			c := r.dial()
			c.say(test.before)
			if test.before != "" {
				b := r.backend.next()
				io.Copy(io.Discard, b.request.Body) // or the response comes early, and the connection ends behind it
				b.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil || resp.Close {
					t.Fatalf("%v, %v", resp, err)
				}
				io.Copy(io.Discard, resp.Body)
			}
			c.say(test.part)
			if strings.HasPrefix(id, "nothing") {
				c.end("")
				if got := r.gw.Stats().RequestsRefused; len(got) > 0 {
					t.Errorf("refused %v", got)
				}
				return
			}
			checkRefusal(t, c, 408, translate.HeadTimeout)
			r.refused(legacy.HTTP, translate.HeadTimeout)
			r.log.want(t, "request refused", map[string]any{"status": 408, "reason": "head-timeout", "client": c.LocalAddr().String()})
		})
	}
}

// A head that is too long is refused like a handshake: with a reason, counted,
// logged, drained. What is behind a head does not count as one.
func TestRefusesLongHeads(t *testing.T) {
	t.Parallel()
	const plain = "GET /demo HTTP/1.1\r\nHost: example.com\r\n\r\n"
	field := func(n int) string { return "X: " + strings.Repeat("x", n-5) + "\r\n" }
	for id, head := range map[string]string{
		"target":      "GET /" + strings.Repeat("x", 60<<10) + " HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"field":       with(plain, field(60<<10)),
		"a-byte-over": with(plain, field(16<<10+1-len(plain))),
		"76":          with(head76, field(17<<10)) + key3,
		"bare-lf":     strings.ReplaceAll(with(plain, strings.Repeat("X: y\r\n", 5<<10)), "\r", ""),
		"no-end":      "GET /demo HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 5<<10),
		"no-line":     strings.Repeat("x", 20<<10),
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := r.dial()
			go io.WriteString(c, head) // not all of it may be read
			checkRefusal(t, c, 431, translate.HeadTooLarge)
			r.refused(legacy.HTTP, translate.HeadTooLarge)
			r.log.want(t, "request refused", map[string]any{"status": 431, "reason": "head-too-large", "client": c.LocalAddr().String()})
			r.backend.untouched()
		})
	}
	for id, request := range map[string]string{
		"all-of-it": with(plain, field(16<<10-len(plain))),
		"body":      with(strings.Replace(plain, "GET", "POST", 1), "Content-Length: 100000\r\n") + noise(100_000),
		"body-lf":   strings.ReplaceAll(with(strings.Replace(plain, "GET", "POST", 1), "Content-Length: 100000\r\n"), "\r", "") + noise(100_000),
		"frames":    head76 + key3 + strings.Repeat("\x00text\xff", 10_000),
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := r.dial()
			go io.WriteString(c, request)
			if b := r.backend.next(); b.request.RequestURI != "/demo" {
				t.Errorf("the backend saw %s", b.request.RequestURI)
			}
		})
	}
}

// After its last word the gateway still takes what a client sends: closed with
// bytes unread, TCP would be reset, and the refusal lost.
func TestRefusalDrains(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.dial()
	c.say(with(head76, "Sec-WebSocket-Draft: 3\r\n"))
	checkRefusal(t, c, 400, "draft-unsupported") // to the end of TCP
	for range 8 {
		c.say(key3)
	}
	if !noReset(c) {
		t.Error("the connection is reset")
	}
}

// noReset reports whether the other side, which has ended its half, has not
// closed the connection: what it cannot take any more it would answer with RST.
func noReset(c *client) bool {
	c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	for {
		if _, err := c.Write([]byte{0}); err != nil {
			return !isReset(err) && !isBrokenPipe(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// What the backend answers instead of 101 is the client's to see, as far as it
// concerns it.
func TestRelay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id     string
		status string
		lines  []string
		body   string
		want   map[string][]string
		not    []string
		length int // of the body; 0 = at least 16
	}{
		{"401", "401 Unauthorized", []string{"WWW-Authenticate: Basic realm=\"x\"", "Set-Cookie: a=1", "Set-Cookie: b=2; Path=/", "Content-Type: text/html"},
			"<p>Who are you, please?</p>",
			map[string][]string{"WWW-Authenticate": {"Basic realm=\"x\""}, "Set-Cookie": {"a=1", "b=2; Path=/"}, "Content-Type": {"text/html"}}, nil, 27},
		{"302", "302 Found", []string{"Location: http://other/"}, "", map[string][]string{"Location": {"http://other/"}}, nil, 0},
		{"404-short", "404 Not Found", []string{"Content-Type: text/plain"}, "no", map[string][]string{"Content-Type": {"text/plain"}}, nil, 16},
		{"503", "503 Service Unavailable", []string{"Retry-After: 7", "Connection: X-Private, keep-alive", "X-Private: 1", "Keep-Alive: timeout=5"}, "wait for a while",
			map[string][]string{"Retry-After": {"7"}}, []string{"X-Private", "Keep-Alive"}, 16},
		{"500-large", "500 Internal Server Error", nil, noise(64 << 10), nil, nil, 64 << 10},
		{"403-phrase", "403 Session expired", nil, "log in once more", nil, nil, 16},
		{"403-empty-gzip", "403 Forbidden", []string{"Content-Encoding: gzip"}, "", nil, []string{"Content-Encoding"}, 0},
		{"200", "200 OK", nil, "this is not a WebSocket", nil, nil, 23},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, d := range both {
				for _, framing := range []string{"length", "chunked", "end"} {
					t.Run(d.String()+"-"+framing, func(t *testing.T) {
						r := newRig(t)
						request, _ := handshake(d)
						c := r.dial()
						c.say(request)
						b := r.backend.next()
						go func() {
							defer b.CloseWrite()
							io.WriteString(b, "HTTP/1.1 "+test.status+"\r\n"+strings.Join(append(test.lines, framed(framing, test.body)), "\r\n"))
						}()
						answer := checkRelayed(t, c, test.status, test.length)
						for name, want := range test.want {
							if got := answer.Header[http.CanonicalHeaderKey(name)]; !slices.Equal(got, want) {
								t.Errorf("%s: %q, want %q", name, got, want)
							}
						}
						for _, name := range append(test.not, "Transfer-Encoding") {
							if got, there := answer.Header[http.CanonicalHeaderKey(name)]; there {
								t.Errorf("%s: %q", name, got)
							}
						}
						r.refused(d, translate.BackendRefused)
					})
				}
			}
		})
	}
}

// An answer that has no body gets none, though Chromium shows a status only with
// 16 bytes behind it: a proxy would take them for the next answer.
func TestRelayWithoutBody(t *testing.T) {
	for _, status := range []string{"204 No Content", "304 Not Modified"} {
		for _, d := range both {
			t.Run(status+"-"+d.String(), func(t *testing.T) {
				r := newRig(t)
				request, _ := handshake(d)
				c := r.dial()
				c.say(request)
				r.backend.next().say("HTTP/1.1 " + status + "\r\nETag: \"x\"\r\n\r\n")
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil || resp.Status != status || resp.Header.Get("Etag") != `"x"` || resp.ContentLength > 0 {
					t.Fatalf("got %+v, %v", resp, err)
				}
				if !resp.Close {
					c.CloseWrite()
				}
				c.end("")
			})
		}
	}
}

// framed is the end of a head, and a body whose length is said in one of three
// ways.
func framed(way, body string) string {
	switch way {
	case "length":
		return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	case "chunked":
		if body != "" {
			body = fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
		}
		return "Transfer-Encoding: chunked\r\n\r\n" + body + "0\r\n\r\n"
	}
	return "\r\n" + body
}

func checkRelayed(t *testing.T, c *client, status string, length int) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) < 16 || length > 0 && len(body) != length {
		t.Errorf("a body of %d bytes, %v, want %d", len(body), err, length)
	}
	if resp.Status != status {
		t.Errorf("got %s, want %s", resp.Status, status)
	}
	if !resp.Close {
		c.CloseWrite()
	}
	c.end("")
	return resp
}

// No backend, no 101.
func TestBackendAway(t *testing.T) {
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Backend.Address = refusingAddress(t) })
			request, _ := handshake(d)
			c := r.dial()
			c.say(request)
			checkRefusal(t, c, 502, "backend-unreachable")
			r.refused(d, "backend-unreachable")
		})
	}
}

// A backend that says nothing, or not enough, has the time of the dial.
func TestBackendSilentInHandshake(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"} {
		for _, d := range both {
			t.Run(fmt.Sprintf("%d-%s", len(said), d), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, func(o *translate.Options) { o.Timeouts.Dial = 500 * time.Millisecond })
				request, _ := handshake(d)
				c := r.dial()
				c.say(request)
				b := r.backend.next()
				b.say(said)
				checkRefusal(t, c, 504, "backend-timeout")
				if got, err := b.readFrame(); err != io.EOF {
					t.Errorf("the backend got %q, %v, want the end of TCP", got, err)
				}
				r.refused(d, "backend-timeout")
			})
		}
	}
}

// A client that leaves while the backend is being asked is not served on: the
// question is withdrawn.
func TestClientGoneWhileDialling(t *testing.T) {
	for _, test := range []struct {
		id, request string
		d           legacy.Dialect
		leave       func(c *client)
	}{
		{"75-fin", head75, legacy.Hixie75, func(c *client) { c.Close() }},
		{"75-rst", head75, legacy.Hixie75, func(c *client) { reset(c.TCPConn) }},
		{"76-fin", head76 + key3, legacy.Hixie76, func(c *client) { c.Close() }},
		{"76-rst", head76 + key3, legacy.Hixie76, func(c *client) { reset(c.TCPConn) }},
		{"76-without-key3", head76, legacy.Hixie76, func(c *client) { c.Close() }},
	} {
		t.Run(test.id, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Timeouts.Dial = patience })
			c := r.dial()
			c.say(test.request)
			b := r.backend.next()
			began := time.Now()
			test.leave(c)
			if got, err := b.readFrame(); err != io.EOF {
				t.Errorf("the backend got %q, %v, want the end of TCP", got, err)
			}
			r.refused(test.d, translate.ClientLeft)
			if took := time.Since(began); took > patience/2 {
				t.Errorf("after %v", took)
			}
			r.log.want(t, "opening handshake not completed", map[string]any{"@level": "warn", "reason": "client-left", "dialect": test.d.String()})
			if line := r.log.find(t, "opening handshake not completed"); !strings.Contains(fmt.Sprint(line["error"]), "dial-cancelled") {
				t.Errorf("the log says %v, want dial-cancelled", line["error"])
			}
		})
	}
}

// What lies behind a handshake whose client has ended its half is no request
// either. What broke: net/http went on to it when the dialling was given up.
func TestSmugglingByGoneClient(t *testing.T) {
	for id, request := range map[string]string{"75": head75, "76": head76 + key3} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(request + "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n")
			b := r.backend.next()
			c.CloseWrite()
			b.over()
			c.end("")
			r.backend.untouched()
		})
	}
}

// A key3 that comes while the backend is being asked does not hide that the client
// leaves. What broke: until the end of the dial it did.
func TestClientGoneBehindKey3(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *translate.Options) { o.Timeouts.Dial = patience })
	c := r.dial()
	c.say(head76)
	b := r.backend.next()
	c.say(key3)
	c.Close()
	if got, err := b.readFrame(); err != io.EOF {
		t.Errorf("the backend got %q, %v, want the end of TCP", got, err)
	}
	eventually(t, func() bool { return len(r.gw.Stats().Refused) == 1 }, func() any { return r.gw.Stats() })
}

// A backend that is there for no more than its 101 makes a connection that ends
// at once, and not in the orderly way.
func TestBackendGoneAtOnce(t *testing.T) {
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t)
			request, answer := handshake(d)
			c := r.dial()
			c.say(request)
			b := r.backend.next()
			b.accept()
			b.Close()
			c.end(answer)
			c.Close()
			r.closed(translate.Closed{Dialect: d, By: translate.ByBackend, Reason: translate.BackendGone})
		})
	}
}

// Promise 3: what follows a refused handshake is key3 and whatever an attacker
// puts behind it, but never a request.
func TestSmuggling(t *testing.T) {
	const evil = "ABCDEFGHGET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
	bad := with(head76, "Sec-WebSocket-Draft: 3\r\n")
	for _, test := range []struct {
		id, head string
		status   int
		options  func(*translate.Options)
		answer   string // of the backend
	}{
		{"bad", bad, 400, nil, ""},
		{"bad-declared", with(bad, "Content-Length: 8\r\n"), 400, nil, ""},
		{"bad-length", with(head76, "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n"), 400, nil, ""},
		{"post", strings.Replace(head76, "GET", "POST", 1), 405, nil, ""},
		{"no-upgrade", strings.Replace(head76, "Upgrade: WebSocket\r\n", "", 1), 400, nil, ""},
		{"dialect", head76, 403, func(o *translate.Options) { o.Dialects = []legacy.Dialect{legacy.Hixie75} }, ""},
		{"origin", head76, 403, func(o *translate.Options) { o.Origins = []string{} }, ""},
		{"backend-refuses", head76, 401, nil, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"},
		{"backend-keeps-alive", head76, 404, nil, "HTTP/1.1 404 Not Found\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"},
		{"backend-is-none", head76, 502, nil, "220 smtp ready\r\n\r\n"},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s-late-%v", test.id, late), func(t *testing.T) {
				r := newRig(t, func(o *translate.Options) {
					if test.options != nil {
						test.options(o)
					}
				})
				c := r.dial()
				if late {
					c.say(test.head)
				} else {
					c.say(test.head + evil)
				}
				if test.answer != "" {
					b := r.backend.next()
					b.say(test.answer)
					defer func() {
						if rest, _ := io.ReadAll(b.br); len(rest) > 0 {
							t.Errorf("the backend got %q", rest)
						}
					}()
				}
				if late {
					c.br.Peek(1)
					c.say(evil)
				}
				checkRefusal(t, c, test.status, "")
				r.backend.untouched()
			})
		}
	}
}

// A version 13 client gets all of a refusal, framed so that it sees when one
// breaks off.
func TestRelayTunnel(t *testing.T) {
	body := noise(100 << 10)
	for _, framing := range []string{"length", "chunked", "end"} {
		for _, missing := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s-%d", framing, missing), func(t *testing.T) {
				r := newRig(t)
				c := r.dial()
				c.say(head13)
				b := r.backend.next()
				go func() {
					defer b.CloseWrite()
					answer := "HTTP/1.1 401 Unauthorized\r\n" + framed(framing, body)
					io.WriteString(b, answer[:len(answer)-missing])
				}()
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil || resp.StatusCode != http.StatusUnauthorized {
					t.Fatalf("got %+v, %v", resp, err)
				}
				got, err := io.ReadAll(resp.Body)
				if broken := missing > 0 && framing != "end"; (err != nil) != broken || !broken && string(got) != body[:len(got)] {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				if missing == 0 && len(got) != len(body) {
					t.Errorf("got %d bytes, want %d", len(got), len(body))
				}
				if missing > 0 && framing != "end" {
					return
				}
				c.say("GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
				if got := r.backend.next().request.RequestURI; got != "/next" {
					t.Errorf("then the backend got %s", got)
				}
			})
		}
	}
}

// What the operator can do something about is a warning; what an app or a stranger does is
// not.
func TestRefusalLevels(t *testing.T) {
	for id, test := range map[string]struct {
		request string
		answer  string // of the backend; empty: it is not asked
		message string
		level   string
	}{
		"our refusal":   {with(head76, "Sec-WebSocket-Draft: 3\r\n"), "", "opening handshake refused", "warn"},
		"the backend's": {head75, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "opening handshake refused", "info"},
		"bad answer":    {head75, "no HTTP\r\n\r\n", "opening handshake refused", "warn"},
		"plain":         {"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "", "request refused", "info"},
		"unread":        {"GET / HTTP/1.1\r\n\r\n", "", "request refused", "info"},
		"not proxied":   {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "no HTTP\r\n\r\n", "request not proxied", "warn"},
	} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(test.request)
			if test.answer != "" {
				b := r.backend.next()
				b.say(test.answer)
				b.CloseWrite()
			}
			c.br.Peek(1)
			r.log.want(t, test.message, map[string]any{"@level": test.level})
		})
	}
}

// The log says who ended a connection, in the words of the metrics.
func TestClosedBy(t *testing.T) {
	for by, end := range map[string]func(*rig, *client, *backendConn){
		"client":  func(_ *rig, c *client, _ *backendConn) { c.CloseWrite() },
		"backend": func(_ *rig, c *client, b *backendConn) { b.CloseWrite() },
		"gateway": func(r *rig, _ *client, _ *backendConn) { r.shutdown(patience) },
	} {
		t.Run(by, func(t *testing.T) {
			r := newRig(t)
			c, b := r.open(legacy.Hixie76)
			end(r, c, b)
			if by != "backend" {
				b.readFrame()
				b.CloseWrite()
			}
			io.Copy(io.Discard, c.br)
			c.CloseWrite()
			r.log.want(t, "connection closed", map[string]any{"by": by})
		})
	}
}

// A refusal says whose it is, as far as a trusted proxy says so: nobody else is believed.
// What broke: behind a proxy all refusals were the proxy's, and counted as one client's.
func TestRefusedForwarded(t *testing.T) {
	for id, want := range map[string]any{"trusted": "192.0.2.1", "stranger": nil} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) {
				o.Origins = []string{"http://another.example"}
				if id == "trusted" {
					o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			})
			c := r.dial()
			c.say(with(head75, "X-Forwarded-For: 192.0.2.1\r\n"))
			checkRefusal(t, c, 403, translate.OriginNotAllowed)
			r.log.want(t, "opening handshake refused", map[string]any{"client": c.LocalAddr().String(), "forwarded_for": want})
		})
	}
}
