package legacy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/legacy/legacytest"
)

// ill is text whose 0xFF would end a message and forge another.
const ill = "a\xff\x00forged\xff"

func TestConnNeverSendsFF(t *testing.T) {
	conn := &segmentConn{}
	c := legacy.NewConn(conn, nil, legacy.Hixie76)
	if err := c.WriteText(ill); err != legacy.ErrNotUTF8 || len(conn.writes) > 0 {
		t.Errorf("got %v, %q", err, conn.written())
	}
	if err := c.WriteTextLossy(ill); err != nil || conn.written() != "\x00a\ufffd\x00forged\ufffd\xff" {
		t.Errorf("got %v, %q", err, conn.written())
	}
}

// Behind FF 00, and behind a write that failed, nothing is written.
func TestConnWritesNothingMore(t *testing.T) {
	conn := &segmentConn{}
	c := legacy.NewConn(conn, nil, legacy.Hixie76)
	first, second, text := c.WriteClose(), c.WriteClose(), c.WriteText("late")
	if first != nil || second != nil || text != net.ErrClosed || conn.written() != "\xff\x00" {
		t.Errorf("got %v, %v, %v, %q", first, second, text, conn.written())
	}
	c = legacy.NewConn(conn, nil, legacy.Hixie75)
	if err := c.WriteClose(); err != nil || conn.written() != "\xff\x00" {
		t.Errorf("-75: got %v, %q", err, conn.written())
	}
	for id, write := range map[string]func(*legacy.Conn) error{
		"text":  func(c *legacy.Conn) error { return c.WriteText("a") },
		"lossy": func(c *legacy.Conn) error { return c.WriteTextLossy("a") },
		"close": (*legacy.Conn).WriteClose,
	} {
		broken := errors.New("broken pipe")
		conn := &segmentConn{fail: broken}
		c := legacy.NewConn(conn, nil, legacy.Hixie76)
		err := write(c)
		conn.fail = nil
		if again := c.WriteText("b"); err != broken || again != broken || len(conn.writes) > 0 {
			t.Errorf("%s: got %v, %v, %q", id, err, again, conn.written())
		}
	}
}

func TestConnReadLimit(t *testing.T) {
	for id, test := range map[string]struct {
		limit  int64
		in     string
		text   string
		reason string
	}{
		"fits":        {4, "\x00abcd\xff", "abcd", ""},
		"one-more":    {4, "\x00abcde\xff", "", legacy.MessageTooBig},
		"skipped":     {4, "\x80\x04xxxx\x00a\xff", "a", ""},
		"skip":        {4, "\x80\x05", "", legacy.SkipTooBig},
		"none":        {0, "\x00" + strings.Repeat("a", 2<<20) + "\xff", strings.Repeat("a", 2<<20), ""},
		"default":     {-1, "\x00" + strings.Repeat("a", 1<<20) + "\xff", strings.Repeat("a", 1<<20), ""},
		"default-one": {-1, "\x00" + strings.Repeat("a", 1<<20+1) + "\xff", "", legacy.MessageTooBig},
	} {
		t.Run(id, func(t *testing.T) {
			conn := &segmentConn{segments: [][]byte{[]byte(test.in)}}
			c := legacy.NewConn(conn, bufio.NewReader(conn), legacy.Hixie76)
			if test.limit >= 0 {
				c.SetReadLimit(test.limit)
			}
			if text, err := c.ReadText(); text != test.text || reason(err) != test.reason {
				t.Errorf("got %d bytes, %v, want %d, %q", len(text), err, len(test.text), test.reason)
			}
		})
	}
}

func TestShutdown(t *testing.T) {
	for id, test := range map[string]struct {
		d     legacy.Dialect
		peer  string // what it sends when it has seen our end
		close bool   // and then closes TCP
		hears string
		err   error
	}{
		"76":             {legacy.Hixie76, "\x00late\xff\xff\x00", false, "\xff\x00", nil},
		"76-closes-tcp":  {legacy.Hixie76, "", true, "\xff\x00", nil},
		"76-silent":      {legacy.Hixie76, "", false, "\xff\x00", context.DeadlineExceeded},
		"76-goes-on":     {legacy.Hixie76, "\x00a\xff", false, "\xff\x00", context.DeadlineExceeded},
		"75":             {legacy.Hixie75, "", true, "", nil},
		"75-is-half-way": {legacy.Hixie75, "\xff\x00", false, "", context.DeadlineExceeded},
	} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := net.Pipe()
				heard := make(chan string, 1)
				go func() {
					b := make([]byte, len(test.hears))
					io.ReadFull(peer, b)
					io.WriteString(peer, test.peer)
					if test.close {
						peer.Close()
					}
					heard <- string(b)
				}()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				c := legacy.NewConn(conn, bufio.NewReader(conn), test.d)
				if err := c.Shutdown(ctx); err != test.err {
					t.Errorf("got %v, want %v", err, test.err)
				}
				if got := <-heard; got != test.hears {
					t.Errorf("the peer heard %q, want %q", got, test.hears)
				}
				if _, err := conn.Write([]byte("a")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("TCP is open: %v", err)
				}
				peer.Close()
			})
		})
	}
}

// Shutdown and writes may come from any goroutine while one reads.
func TestConnConcurrency(t *testing.T) {
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		url := legacytest.NewServer(t, nil)
		c := legacytest.Dial(t, d, url)
		done := make(chan int)
		go func() {
			n := 0
			for ; ; n++ {
				if _, err := c.ReadText(); err != nil {
					break
				}
			}
			done <- n
		}()
		for range 4 {
			go c.WriteText("Hello")
		}
		if err := c.WriteText("last"); err != nil {
			t.Error(err)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Errorf("-%s: %v", d, err)
		}
		<-done
	}
}

func TestUpgradeAndDial(t *testing.T) {
	u := legacy.Upgrader{Protocols: []string{"superchat", "chat"}}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			c.WriteText(c.Protocol() + " of -" + c.Dialect().String())
			legacytest.Echo(c)
			c.Close()
		}
	})
	for _, secure := range []bool{false, true} {
		s := httptest.NewUnstartedServer(handler)
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		defer s.Close()
		for _, d := range []legacy.Dialect{0, legacy.Hixie75, legacy.Hixie76} {
			dialer := legacy.Dialer{Dialect: d, Protocol: "chat", TLS: &tls.Config{InsecureSkipVerify: true}}
			c, err := dialer.Dial(t.Context(), legacytest.URL(s)+"/demo?q")
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(30 * time.Second))
			legacytest.Expect(t, c, "chat of -"+c.Dialect().String())
			if d != 0 && c.Dialect() != d || c.Protocol() != "chat" {
				t.Errorf("got -%s, %q", c.Dialect(), c.Protocol())
			}
			for _, text := range []string{"", "h\u00e9", strings.Repeat("a", 100_000)} {
				if err := c.WriteText(text); err != nil {
					t.Fatal(err)
				}
				legacytest.Expect(t, c, text)
			}
			if err := c.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestDialRefuses(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for id, test := range map[string]struct {
		ctx  context.Context
		d    legacy.Dialer
		url  string
		want func(error) bool
	}{
		"404":       {t.Context(), legacy.Dialer{}, legacytest.URL(s), func(err error) bool { return reason(err) == legacy.BadResponse }},
		"http":      {t.Context(), legacy.Dialer{}, s.URL, func(err error) bool { return strings.Contains(err.Error(), "ws or wss") }},
		"13":        {t.Context(), legacy.Dialer{Dialect: legacy.RFC6455}, legacytest.URL(s), func(err error) bool { return strings.Contains(err.Error(), "13") }},
		"no-url":    {t.Context(), legacy.Dialer{}, "ws://%zz", func(err error) bool { return err != nil }},
		"user":      {t.Context(), legacy.Dialer{}, "ws://a:b@localhost/", func(err error) bool { return strings.Contains(err.Error(), "ws or wss") }},
		"cancelled": {cancelled, legacy.Dialer{}, "ws://" + silent.Addr().String(), func(err error) bool { return errors.Is(err, context.Canceled) }},
		"not-tls":   {t.Context(), legacy.Dialer{}, "wss" + strings.TrimPrefix(s.URL, "http"), func(err error) bool { return errors.As(err, new(tls.RecordHeaderError)) }},
	} {
		t.Run(id, func(t *testing.T) {
			if c, err := test.d.Dial(test.ctx, test.url); c != nil || err == nil || !test.want(err) {
				t.Errorf("got %v, %v", c, err)
			}
		})
	}
}

// Nothing that a caller sets makes another field, or another request, of its value.
func TestDialSendsOneRequest(t *testing.T) {
	sent := errors.New("a connection was opened")
	for named, d := range map[string]legacy.Dialer{
		"Dialer.Origin":   {Origin: "http://a\r\nX: y"},
		"Dialer.Protocol": {Protocol: "a\nX: y"},
		"Cookie":          {Header: http.Header{"Cookie": {"a", "b\r\n\r\nGET / HTTP/1.1"}}},
		"A: b\r\nC":       {Header: http.Header{"A: b\r\nC": {"d"}}},
		"A,B":             {Header: http.Header{"A,B": {"d"}}},
		"":                {Header: http.Header{"": {"d"}}},
	} {
		d.NetDial = func(context.Context, string, string) (net.Conn, error) { return nil, sent }
		if _, err := d.Dial(t.Context(), "ws://localhost/"); err == nil || errors.Is(err, sent) || !strings.Contains(err.Error(), strconv.Quote(named)) {
			t.Errorf("%q: %v, want an error before that names it", named, err)
		}
	}
}

// While the server is silent, the context ends the dialling.
func TestDialEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := net.Pipe()
		go io.Copy(io.Discard, server)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d := legacy.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		if c, err := d.Dial(ctx, "ws://example.com"); c != nil || err != context.DeadlineExceeded {
			t.Errorf("got %v, %v", c, err)
		}
		server.Close()
	})
}

// A refused -76 client gets HTTP, and its key3 is no request.
func TestUpgradeRefuses(t *testing.T) {
	var requests atomic.Int32
	var u legacy.Upgrader
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		u.Upgrade(w, r)
	}))
	defer s.Close()
	for id, test := range map[string]struct{ request, status string }{
		"origin":   {swap(head76, "Origin: http://example.com", "Origin: http://other.example") + "GET / HT", "403 Forbidden"},
		"protocol": {plus(head76, "Sec-WebSocket-Protocol: chat") + "GET / HT", "400 Bad Request"},
		"13":       {plus(modern, "Sec-WebSocket-Version: 13"), "400 Bad Request"},
		"version":  {plus(modern, "Sec-WebSocket-Version: 9"), "426 Upgrade Required"},
		"plain":    {"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "400 Bad Request"},
	} {
		t.Run(id, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			before := requests.Load()
			io.WriteString(conn, test.request)
			conn.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 "+test.status+"\r\n") || bytes.Count(got, []byte("HTTP/1.1 ")) != 1 {
				t.Errorf("got %q, %v, want %s", got, err, test.status)
			}
			if !bytes.Contains(got, []byte("\r\nContent-Type: text/plain; charset=utf-8\r\n")) { // what it quotes is no HTML
				t.Errorf("got %q, want text", got)
			}
			if requests.Load() != before+1 {
				t.Errorf("%d requests", requests.Load()-before)
			}
		})
	}
}

// The 101 does not wait for key3, which a proxy may hold back until it has seen it.
func TestUpgradeAnswersEarly(t *testing.T) {
	u := legacy.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, Protocols: []string{"sample"}, Key3Timeout: 50 * time.Millisecond}
	failed := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := u.Upgrade(w, r)
		failed <- err
	}))
	defer s.Close()
	for _, test := range []struct{ key3, end, reason string }{
		{legacytest.Key3, legacytest.Response, ""},
		{"", "", legacy.Key3Timeout},
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		io.WriteString(conn, head76)
		br := bufio.NewReader(conn)
		head, err := legacy.ReadHead(br)
		if err != nil || !strings.Contains(string(head), "Location: ws://example.com/demo\r\n") {
			t.Fatalf("got %q, %v", head, err)
		}
		io.WriteString(conn, test.key3)
		got := make([]byte, len(test.end))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != test.end {
			t.Errorf("got %q, %v", got, err)
		}
		if err := <-failed; reason(err) != test.reason {
			t.Errorf("got %v, want %q", err, test.reason)
		}
	}
}

// Behind a proxy the client's URL is not that of the request.
func TestUpgradeBehindProxy(t *testing.T) {
	var u legacy.Upgrader
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Upgrade(w, r) }))
	defer s.Close()
	d := legacy.Dialer{
		Header: http.Header{"X-Forwarded-Proto": {"https, http"}, "X-Forwarded-Host": {"example.com, inner"}},
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		},
	}
	_, err := d.Dial(t.Context(), "ws://example.com/demo")
	if err == nil || !strings.Contains(err.Error(), "wss://example.com/demo, not ws") {
		t.Errorf("got %v, want a Location of wss", err)
	}
}

// A read deadline does not cost what was read before it.
func TestConnReadsOnAfterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := net.Pipe()
		defer conn.Close()
		c := legacy.NewConn(conn, bufio.NewReader(conn), legacy.Hixie76)
		go io.WriteString(peer, "\x00Hel")
		c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.ReadText(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		c.SetReadDeadline(time.Time{})
		go io.WriteString(peer, "lo\xff")
		legacytest.Expect(t, c, "Hello")
	})
}
