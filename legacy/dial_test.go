package legacy_test

import (
	"bufio"
	"crypto/md5"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
)

// accept is the server's side of a connection, up to where it is open. A Conn
// serves there as well: the frames are the same both ways.
func accept(conn net.Conn, secure bool, protocol string) (*legacy.Conn, error) {
	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		return nil, err
	}
	d, err := legacy.Detect(r)
	if err != nil {
		return nil, err
	}
	h, err := legacy.NewHandshake(r, d, nil)
	if err != nil {
		return nil, err
	}
	answer := legacy.ResponseFields{Location: legacy.Location(secure, r.Host, h.Resource), Protocol: protocol}
	if err := h.Accept(conn, br, answer, 10*time.Second); err != nil {
		return nil, err
	}
	return legacy.NewConn(conn, br, d), nil
}

// echo sends every message back until the client's end, and returns the error
// that was the end.
func echo(conn net.Conn, secure bool, protocol string) error {
	defer conn.Close()
	c, err := accept(conn, secure, protocol)
	if err != nil {
		return err
	}
	for {
		text, err := c.ReadText()
		if err == io.EOF {
			return errors.Join(err, c.WriteClose())
		}
		if err != nil {
			return err
		}
		if err := c.WriteText(text); err != nil {
			return err
		}
	}
}

func parse(t testing.TB, rawURL string) *url.URL {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOpen(t *testing.T) {
	for _, test := range []struct {
		id, url string
		d       legacy.Dialect
		change  func(*legacy.Request)
		end     error // of the server, when the client has said goodbye
	}{
		{"75", "ws://example.com/demo", legacy.Hixie75, nil, io.ErrUnexpectedEOF},
		{"75-secure", "wss://example.com/demo", legacy.Hixie75, nil, io.ErrUnexpectedEOF},
		{"75-protocol", "ws://example.com", legacy.Hixie75, func(r *legacy.Request) { r.Protocol = "chat" }, io.ErrUnexpectedEOF},
		{"76", "ws://example.com/demo", legacy.Hixie76, nil, io.EOF},
		{"76-secure", "wss://Example.com:443/demo?q", legacy.Hixie76, nil, io.EOF},
		{"76-protocol", "ws://example.com:8076/", legacy.Hixie76, func(r *legacy.Request) { r.Protocol = "chat" }, io.EOF},
		{"76-declared", "ws://example.com/", legacy.Hixie76, func(r *legacy.Request) { r.Declare = true }, io.EOF},
		{"76-no-origin", "ws://example.com/", legacy.Hixie76, func(r *legacy.Request) { r.Origin = "" }, io.EOF},
		{"76-cookie", "ws://example.com/", legacy.Hixie76, func(r *legacy.Request) { r.Cookie = "a=1" }, io.EOF},
	} {
		t.Run(test.id, func(t *testing.T) {
			r := legacy.NewRequest(test.d, parse(t, test.url))
			if test.change != nil {
				test.change(r)
			}
			synctest.Test(t, func(t *testing.T) {
				conn, server := net.Pipe()
				defer conn.Close()
				ended := make(chan error, 1)
				go func() { ended <- echo(server, r.Secure, r.Protocol) }()
				c, err := r.Open(conn)
				if err != nil {
					t.Fatal(err)
				}
				talk(t, c)
				if test.d == legacy.Hixie75 {
					c.Close()
				} else {
					part(t, c)
				}
				if err := <-ended; !errors.Is(err, test.end) {
					t.Errorf("the server saw %v, want %v", err, test.end)
				}
			})
		})
	}
}

// talk sends messages to echo and wants them back.
func talk(t *testing.T, c *legacy.Conn) {
	t.Helper()
	for _, want := range []string{"Hello", "", "\u263a\x00\n", strings.Repeat("long ", 10_000)} {
		written := make(chan error, 1)
		go func() { written <- c.WriteText(want) }() // a Pipe holds nothing while echo writes
		if got, err := c.ReadText(); got != want || err != nil {
			t.Fatalf("got %.64q, %v, want %.64q", got, err, want)
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
	}
}

// part is the closing handshake.
func part(t *testing.T, c *legacy.Conn) {
	t.Helper()
	if err := c.WriteClose(); err != nil {
		t.Error(err)
	}
	if _, err := c.ReadText(); err != io.EOF {
		t.Errorf("got %v, want %v", err, io.EOF)
	}
}

// Over TCP, as a browser does it.
func TestOpenTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		server, err := l.Accept()
		if err == nil {
			err = echo(server, false, "")
		}
		ended <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second)) // a test that fails ends, too
	c, err := legacy.NewRequest(legacy.Hixie76, parse(t, "ws://"+l.Addr().String()+"/echo")).Open(conn)
	if err != nil {
		t.Fatal(err)
	}
	talk(t, c)
	part(t, c)
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the server saw %v, want %v", err, io.EOF)
	}
}

func TestNewRequest(t *testing.T) {
	for _, test := range []struct {
		url, host, resource, origin string
		secure                      bool
	}{
		{"ws://example.com", "example.com", "/", "http://example.com", false},
		{"ws://Example.com:80/Demo", "example.com", "/Demo", "http://example.com", false},
		{"ws://example.com:443/?a=b", "example.com:443", "/?a=b", "http://example.com:443", false},
		{"wss://example.com:443/a%20b?", "example.com", "/a%20b?", "https://example.com", true},
		{"wss://[::1]:8443?q", "[::1]:8443", "/?q", "https://[::1]:8443", true},
	} {
		for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
			r := legacy.NewRequest(d, parse(t, test.url))
			if r.Host != test.host || r.Resource != test.resource || r.Origin != test.origin || r.Secure != test.secure {
				t.Errorf("%s: got %+v", test.url, r)
			}
			if keyed := r.Key1 != "" && r.Key2 != "" && r.Key3 != [8]byte{}; keyed != (d == legacy.Hixie76) {
				t.Errorf("%s, -%s: keys %v", test.url, d, keyed)
			}
		}
	}
}

// example is the request of head75 or head76.
func example(d legacy.Dialect) legacy.Request {
	return legacy.Request{
		Dialect: d, Host: "example.com", Resource: "/demo", Origin: "http://example.com",
		Key1: strings.TrimPrefix(key1, "Sec-WebSocket-Key1: "),
		Key2: strings.TrimPrefix(key2, "Sec-WebSocket-Key2: "),
		Key3: [8]byte([]byte(key3)),
	}
}

func TestRequestAppendHead(t *testing.T) {
	with := func(change func(*legacy.Request)) legacy.Request {
		r := example(legacy.Hixie75)
		change(&r)
		return r
	}
	for _, test := range []struct {
		id, want string
		r        legacy.Request
	}{
		{"75", head75, example(legacy.Hixie75)},
		{"75-all", plus(head75, "WebSocket-Protocol: a b", "Cookie: c=1"), with(func(r *legacy.Request) {
			r.Protocol, r.Cookie, r.Declare = "a b", "c=1", true
		})},
		{"76", head76, example(legacy.Hixie76)},
		{"76-all", plus(head75, "Sec-WebSocket-Protocol: chat", "Cookie: c=1", "Content-Length: 8", key1, key2), with(func(r *legacy.Request) {
			r.Dialect, r.Protocol, r.Cookie, r.Declare = legacy.Hixie76, "chat", "c=1", true
		})},
		{"75-header", plus(head75, "Cookie: c=1", "A: 1", "A: 2", "X-Forwarded-For: 192.0.2.7"), with(func(r *legacy.Request) {
			r.Cookie, r.Header = "c=1", http.Header{"X-Forwarded-For": {"192.0.2.7"}, "A": {"1", "2"}}
		})},
		{"no-origin", swap(head75, "Origin: http://example.com\r\n", ""), with(func(r *legacy.Request) { r.Origin = "" })},
	} {
		t.Run(test.id, func(t *testing.T) {
			if got := string(test.r.AppendHead([]byte("before"))); got != "before"+test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

const (
	answer75 = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"WebSocket-Origin: http://example.com\r\nWebSocket-Location: ws://example.com/demo\r\n" +
		"WebSocket-Protocol: sample\r\n\r\n"
	answer76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com/demo\r\n" +
		"Sec-WebSocket-Protocol: sample\r\n\r\n"
)

// readAnswer gives a client that sent the draft's example an answer, in one
// piece and byte by byte, and returns the error and what follows the answer.
func readAnswer(t *testing.T, d legacy.Dialect, answer string) (rest string, err error) {
	t.Helper()
	r := example(d)
	r.Protocol = "sample"
	for i, segments := range cuts([]byte(answer))[:2] {
		br := bufio.NewReader(&segmentConn{segments: segments})
		again := r.ReadResponse(br)
		if i > 0 && reason(again) != reason(err) {
			t.Errorf("whole: %v, byte by byte: %v", err, again)
		}
		if err = again; err == nil {
			left, _ := io.ReadAll(br)
			rest = string(left)
		}
	}
	return rest, err
}

func TestReadResponse(t *testing.T) {
	const frames = "\x00hi\xff"
	for id, test := range map[string]struct {
		d      legacy.Dialect
		answer string
	}{
		"75":            {legacy.Hixie75, answer75},
		"75-cookie":     {legacy.Hixie75, plus(answer75, "Set-Cookie: a=1")},
		"76":            {legacy.Hixie76, answer76 + digest},
		"76-reason":     {legacy.Hixie76, swap(answer76, "WebSocket Protocol Handshake", "") + digest},
		"76-order":      {legacy.Hixie76, swap(plus(answer76, "Upgrade: WebSocket"), "Upgrade: WebSocket\r\n", "") + digest},
		"76-lower-case": {legacy.Hixie76, swap(answer76, "Sec-WebSocket-Origin", "sec-websocket-origin") + digest},
		"76-no-blank":   {legacy.Hixie76, swap(answer76, "Upgrade: WebSocket", "Upgrade:WebSocket") + digest},
		"76-connection": {legacy.Hixie76, swap(answer76, "Connection: Upgrade", "Connection: upgrade") + digest}, // as nginx and Squid write it
		"76-first-wins": {legacy.Hixie76, plus(answer76, "Upgrade: other") + digest},
		// Lines of any length, also one that ends where the reader's buffer does.
		"76-many-lines": {legacy.Hixie76, plus(answer76, strings.Repeat("A: b\r\n", 1_000)+"A: b") + digest},
		"76-long-line":  {legacy.Hixie76, plus(answer76, "Set-Cookie: "+strings.Repeat("a", 9000)) + digest},
		"76-full-line":  {legacy.Hixie76, plus(answer76, "Set-Cookie: "+strings.Repeat("a", 4096-len("Set-Cookie: "))) + digest},
	} {
		t.Run(id, func(t *testing.T) {
			rest, err := readAnswer(t, test.d, test.answer+frames)
			if err != nil || rest != frames {
				t.Errorf("%v, %q left", err, rest)
			}
		})
	}
}

func TestReadResponseRefuses(t *testing.T) {
	for id, test := range map[string]struct {
		d      legacy.Dialect
		answer string
	}{
		"75-status":          {legacy.Hixie75, swap(answer75, "101", "200")},
		"75-status-of-76":    {legacy.Hixie75, swap(answer75, "Web Socket", "WebSocket")},
		"75-swapped-lines":   {legacy.Hixie75, swap(answer75, "Upgrade: WebSocket\r\nConnection: Upgrade\r\n", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n")},
		"75-line-between":    {legacy.Hixie75, swap(answer75, "Upgrade: WebSocket", "Server: x\r\nUpgrade: WebSocket")},
		"75-upgrade":         {legacy.Hixie75, swap(answer75, "Upgrade: WebSocket", "Upgrade: websocket")},
		"75-origin":          {legacy.Hixie75, swap(answer75, "http://example.com", "http://Example.com")},
		"75-origin-missing":  {legacy.Hixie75, swap(answer75, "WebSocket-Origin: http://example.com\r\n", "")},
		"75-location":        {legacy.Hixie75, swap(answer75, "ws://example.com/demo", "ws://example.com/")},
		"75-protocol":        {legacy.Hixie75, swap(answer75, "sample", "Sample")},
		"75-names-of-76":     {legacy.Hixie75, swap(answer75, "WebSocket-Location", "Sec-WebSocket-Location")},
		"76-status":          {legacy.Hixie76, swap(answer76, "101", "400")},
		"76-status-no-blank": {legacy.Hixie76, swap(answer76, "101 WebSocket Protocol Handshake", "101")},
		"76-http-1.0":        {legacy.Hixie76, swap(answer76, "HTTP/1.1", "HTTP/1.0")},
		"76-upgrade":         {legacy.Hixie76, swap(answer76, "Upgrade: WebSocket", "Upgrade: websocket")},
		"76-connection":      {legacy.Hixie76, swap(answer76, "Connection: Upgrade", "Connection: keep-alive, Upgrade")},
		"76-origin":          {legacy.Hixie76, swap(answer76, "http://example.com", "http://example.com/")},
		"76-location-scheme": {legacy.Hixie76, swap(answer76, "ws://", "wss://")},
		"76-location-port":   {legacy.Hixie76, swap(answer76, "example.com/demo", "example.com:80/demo")},
		"76-protocol":        {legacy.Hixie76, swap(answer76, "sample", "other")},
		"76-no-protocol":     {legacy.Hixie76, swap(answer76, "Sec-WebSocket-Protocol: sample\r\n", "")},
		"76-trailing-blank":  {legacy.Hixie76, swap(answer76, "Upgrade: WebSocket", "Upgrade: WebSocket ")},
		"76-digest":          {legacy.Hixie76, answer76 + swap(digest, "8", "9")},
		"76-digest-in-hex":   {legacy.Hixie76, answer76 + "386a4b5327793a472a436f2c5778612d"},
		"76-head-too-long":   {legacy.Hixie76, plus(answer76, "Set-Cookie: "+strings.Repeat("a", 40_000))},
		"76-head-of-lines":   {legacy.Hixie76, plus(answer76, strings.Repeat("A: b\r\n", 5_000)+"A: b")},
		"76-empty-head":      {legacy.Hixie76, "\r\n" + answer76},
	} {
		t.Run(id, func(t *testing.T) {
			if _, err := readAnswer(t, test.d, test.answer+digest); reason(err) != legacy.BadResponse {
				t.Errorf("got %v, want %s", err, legacy.BadResponse)
			}
		})
	}
}

// Slips pass only where they may, and are named.
func TestReadResponseSlips(t *testing.T) {
	words := []byte(digest)
	for i := 0; i < len(words); i += 4 {
		slices.Reverse(words[i : i+4])
	}
	noLocation := swap(answer76, "Sec-WebSocket-Location: ws://example.com/demo\r\n", "")
	// MD5 of the parts 829309203 and 259970620 with the lowest byte first, and of key3.
	parts := md5.Sum([]byte("\x13\x41\x6e\x31\x3c\xd6\x7e\x0f^n:ds[4U"))
	for id, test := range map[string]struct {
		d      legacy.Dialect
		answer string
		slips  []string // nil: not even Lax accepts it
	}{
		"words":       {legacy.Hixie76, answer76 + string(words), []string{legacy.SlipByteOrder}},
		"parts":       {legacy.Hixie76, answer76 + string(parts[:]), []string{legacy.SlipByteOrder}},
		"location":    {legacy.Hixie76, noLocation + digest, []string{legacy.SlipNoLocation}},
		"location-75": {legacy.Hixie75, swap(answer75, "WebSocket-Location: ws://example.com/demo\r\n", ""), []string{legacy.SlipNoLocation}},
		"status-75":   {legacy.Hixie75, swap(answer75, "Web Socket", "WebSocket"), []string{legacy.SlipStatusLine}},
		"lines-75":    {legacy.Hixie75, swap(answer75, "Upgrade: WebSocket\r\nConnection: Upgrade\r\n", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n"), nil},
		"both":        {legacy.Hixie76, noLocation + string(words), []string{legacy.SlipNoLocation, legacy.SlipByteOrder}},
		"other":       {legacy.Hixie76, swap(answer76, "/demo", "/other") + digest, nil},
		"digest":      {legacy.Hixie76, answer76 + swap(digest, "8", "9"), nil},
	} {
		t.Run(id, func(t *testing.T) {
			for _, lax := range []bool{false, true} {
				r := example(test.d)
				r.Protocol, r.Lax = "sample", lax
				err := r.ReadResponse(bufio.NewReader(strings.NewReader(test.answer)))
				switch {
				case lax && test.slips != nil:
					if err != nil || !slices.Equal(r.Slips, test.slips) {
						t.Errorf("lax: %v, slips %q, want %q", err, r.Slips, test.slips)
					}
				case reason(err) != legacy.BadResponse || r.Slips != nil:
					t.Errorf("lax %t: got %v, slips %q, want %s", lax, err, r.Slips, legacy.BadResponse)
				}
			}
		})
	}
}

// What one browser accepts is enough for AnyBrowser.
func TestReadResponseAnyBrowser(t *testing.T) {
	r := example(legacy.Hixie76)
	r.Protocol, r.AnyBrowser = "sample", true
	answer := swap(answer76, "Upgrade: WebSocket", "Upgrade: websocket") + digest
	if err := r.ReadResponse(bufio.NewReader(strings.NewReader(answer))); err != nil {
		t.Error(err)
	}
}

// An answer that ends early is an error of the connection.
func TestReadResponseEnds(t *testing.T) {
	whole := answer76 + digest
	for n := range len(whole) {
		_, err := readAnswer(t, legacy.Hixie76, whole[:n])
		if reason(err) != "" || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

// Keys that make no challenge are the caller's mistake.
func TestOpenWithBadKeys(t *testing.T) {
	r := legacy.NewRequest(legacy.Hixie76, parse(t, "ws://example.com/demo"))
	r.Key2 = "12"
	answer := swap(answer76, "Sec-WebSocket-Protocol: sample\r\n", "") + digest
	conn := &segmentConn{segments: [][]byte{[]byte(answer)}}
	if _, err := r.Open(conn); reason(err) != legacy.NoSpaces {
		t.Errorf("got %v, want %s", err, legacy.NoSpaces)
	}
}

func TestOpenWriteFails(t *testing.T) {
	r := legacy.NewRequest(legacy.Hixie76, parse(t, "ws://example.com/demo"))
	broken := errors.New("broken pipe")
	if _, err := r.Open(&segmentConn{fail: broken}); err != broken {
		t.Errorf("got %v, want %v as it is", err, broken)
	}
}

// Open sends key3 in the same write as the head.
func TestOpenWritesOnce(t *testing.T) {
	r := legacy.NewRequest(legacy.Hixie76, parse(t, "ws://example.com/demo"))
	conn := &segmentConn{}
	r.Open(conn)
	if want := string(r.AppendHead(nil)) + string(r.Key3[:]); len(conn.writes) != 1 || conn.written() != want {
		t.Errorf("%d writes: %q, want one: %q", len(conn.writes), conn.written(), want)
	}
}

func TestConnReadText(t *testing.T) {
	for _, test := range []struct {
		id  string
		d   legacy.Dialect
		in  string
		out string // messages, joined with "|"
		end error
	}{
		{"76-closing", legacy.Hixie76, "\x00a\xff\x00b\xff\xff\x00", "a|b", io.EOF},
		{"76-closing-at-once", legacy.Hixie76, "\xff\x00", "", io.EOF},
		{"76-after-closing", legacy.Hixie76, "\x00a\xff\xff\x00\x00b\xff", "a", io.EOF},
		{"76-tcp", legacy.Hixie76, "\x00a\xff", "a", io.ErrUnexpectedEOF},
		{"76-unfinished", legacy.Hixie76, "\x00a\xff\x00b", "a", io.ErrUnexpectedEOF},
		{"76-half-a-closing", legacy.Hixie76, "\xff", "", io.ErrUnexpectedEOF},
		{"76-nothing", legacy.Hixie76, "", "", io.ErrUnexpectedEOF},
		{"76-reserved", legacy.Hixie76, "\x01x\xff\x80\x02xx\x00a\xff\xff\x00", "a", io.EOF},
		{"76-empty", legacy.Hixie76, "\x00\xff\x00\xff\xff\x00", "|", io.EOF},
		{"75", legacy.Hixie75, "\x00a\xff", "a", io.ErrUnexpectedEOF},
		{"75-no-closing", legacy.Hixie75, "\xff\x00\x00a\xff", "a", io.ErrUnexpectedEOF},
		{"large", legacy.Hixie76, "\x00" + strings.Repeat("a", 100_000) + "\xff\xff\x00", strings.Repeat("a", 100_000), io.EOF},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, segments := range cuts([]byte(test.in))[:2] {
				conn := &segmentConn{segments: segments}
				c := legacy.NewConn(conn, bufio.NewReader(conn), test.d)
				var got []string
				for {
					text, err := c.ReadText()
					if err == nil {
						got = append(got, text)
						continue
					}
					if _, again := c.ReadText(); err != test.end || again != test.end {
						t.Errorf("end %v, then %v, want %v", err, again, test.end)
					}
					break
				}
				if got := strings.Join(got, "|"); got != test.out {
					t.Errorf("got %.64q, want %.64q", got, test.out)
				}
			}
		})
	}
	conn := &segmentConn{segments: [][]byte{[]byte("\x80" + strings.Repeat("\xff", 10))}}
	c := legacy.NewConn(conn, bufio.NewReader(conn), legacy.Hixie76)
	c.SetReadLimit(0)
	if _, err := c.ReadText(); reason(err) != legacy.LengthOverflow {
		t.Errorf("got %v, want %s", err, legacy.LengthOverflow)
	}
}

// A frame and a closing handshake each go out in one write.
func TestConnWrites(t *testing.T) {
	conn := &segmentConn{}
	c := legacy.NewConn(conn, nil, legacy.Hixie76)
	c.WriteText("a")
	c.WriteText("")
	c.WriteClose()
	want := []string{"\x00a\xff", "\x00\xff", "\xff\x00"}
	for i, w := range conn.writes {
		if w.data != want[i] {
			t.Errorf("write %d: got %q, want %q", i, w.data, want[i])
		}
	}
	if len(conn.writes) != len(want) {
		t.Errorf("%d writes, want %d", len(conn.writes), len(want))
	}
}
