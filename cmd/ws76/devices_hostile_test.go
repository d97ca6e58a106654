package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/wiretest"
)

// Devices that answer or talk as none should, behind a gateway process.

// A badDevice answers an opening handshake with what spoil makes of the right response,
// and then talks.
type badDevice struct {
	spoil func(response string) string // nil: as it is
	talk  func(d deviceConn)           // nil: it repeats all bytes
}

// badDevices are devices by their paths, without the slash.
type badDevices map[string]badDevice

// A deviceConn is what a device has of its connection.
type deviceConn struct {
	net.Conn
	br      *bufio.Reader
	request *http.Request
}

func (d deviceConn) say(s string) { io.WriteString(d, s) }

// start serves devices of a dialect at one address, and returns the setting for it.
func (devices badDevices) start(t *testing.T, d legacy.Dialect) (variable string) {
	t.Helper()
	return "WS76_BACKEND=http://" + wiretest.Serve(t, func(conn net.Conn) { devices.serve(conn, d) })
}

func (devices badDevices) serve(conn net.Conn, dialect legacy.Dialect) {
	conn.SetDeadline(time.Now().Add(patience))
	d := deviceConn{conn, bufio.NewReader(conn), nil}
	var err error
	if d.request, err = http.ReadRequest(d.br); err != nil {
		return
	}
	hs, err := legacy.NewHandshake(d.request, dialect, nil)
	if err != nil {
		return
	}
	b := devices[strings.TrimPrefix(d.request.URL.Path, "/")]
	response := &recorded{Conn: conn}
	fields := legacy.ResponseFields{Location: legacy.Location(false, d.request.Host, hs.Resource), Protocol: d.request.Header.Get("Sec-WebSocket-Protocol")}
	if hs.Accept(response, d.br, fields, patience) != nil {
		return
	}
	if b.spoil == nil {
		b.spoil = func(response string) string { return response }
	}
	d.say(b.spoil(response.String()))
	if b.talk != nil {
		b.talk(d)
		return
	}
	io.Copy(conn, d.br)
}

// recorded keeps what is written.
type recorded struct {
	net.Conn
	strings.Builder
}

func (r *recorded) Write(p []byte) (int, error) { return r.Builder.Write(p) }

// replace changes a part of a response that must be there.
func replace(from, to string) func(string) string {
	return func(response string) string {
		if !strings.Contains(response, from) {
			panic("no " + from)
		}
		return strings.Replace(response, from, to, 1)
	}
}

// withoutField removes a field.
func withoutField(name string) func(string) string {
	return func(response string) string {
		before, rest, _ := strings.Cut(response, name+": ")
		_, after, _ := strings.Cut(rest, "\r\n")
		return before + after
	}
}

// swapWords is the challenge response of a server that wrote the MD5 word by word.
func swapWords(response string) string {
	b := []byte(response)
	for i := len(b) - 16; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	return string(b)
}

func flipLastBit(response string) string {
	b := []byte(response)
	b[len(b)-1] ^= 1
	return string(b)
}

// What a device answers is accepted as a browser of its time did, with WS76_BACKEND_LAX
// also three slips, and else refused with its own reason.
func TestDeviceAnswers(t *testing.T) {
	t.Parallel()
	const location = "Sec-WebSocket-Location"
	type answer struct {
		device badDevice
		strict string // the reason of the refusal; "" = accepted
		lax    string
		slip   string // that lax logs
	}
	for d, answers := range map[legacy.Dialect]map[string]answer{
		legacy.Hixie76: {
			"right":                  {badDevice{}, "", "", ""},
			"challenge-response":     {badDevice{spoil: flipLastBit}, "bad-answer", "bad-answer", ""},
			"byte-order":             {badDevice{spoil: swapWords}, "bad-answer", "", legacy.SlipByteOrder},
			"no-location":            {badDevice{spoil: withoutField(location)}, "bad-answer", "", legacy.SlipNoLocation},
			"other-location":         {badDevice{spoil: replace(location+": ws://", location+": wss://")}, "bad-answer", "bad-answer", ""},
			"other-origin":           {badDevice{spoil: replace("Origin: http://page", "Origin: http://other")}, "bad-answer", "bad-answer", ""},
			"status-phrase":          {badDevice{spoil: replace("101 WebSocket Protocol Handshake", "101 websocket protocol handshake")}, "", "", ""},
			"field-names":            {badDevice{spoil: replace(location, "sec-websocket-location")}, "", "", ""},
			"upgrade-case":           {badDevice{spoil: replace("Upgrade: WebSocket", "Upgrade: websocket")}, "", "", ""},
			"http-version":           {badDevice{spoil: replace("HTTP/1.1 101", "http/1.1 101")}, "backend-bad-answer", "backend-bad-answer", ""},
			"cut-challenge-response": {badDevice{spoil: func(s string) string { return s[:len(s)-8] }, talk: func(deviceConn) {}}, "backend-bad-answer", "backend-bad-answer", ""},
			"cut-head":               {badDevice{spoil: func(s string) string { return s[:40] }, talk: func(deviceConn) {}}, "backend-bad-answer", "backend-bad-answer", ""},
			"nothing":                {badDevice{spoil: func(string) string { return "" }}, "backend-timeout", "backend-timeout", ""},
			"endless-head": {badDevice{spoil: func(s string) string {
				return strings.Replace(s, "\r\n", "\r\nX-Padding: "+strings.Repeat("x", 1<<20)+"\r\n", 1)
			}}, "backend-bad-answer", "backend-bad-answer", ""},
		},
		legacy.Hixie75: {
			"status-phrase": {badDevice{spoil: replace("101 Web Socket Protocol Handshake", "101 web socket protocol handshake")}, "bad-answer", "", legacy.SlipStatusLine},
			"no-location":   {badDevice{spoil: withoutField("WebSocket-Location")}, "bad-answer", "", legacy.SlipNoLocation},
		},
	} {
		devices := badDevices{}
		for name, a := range answers {
			devices[name] = a.device
		}
		for _, lax := range []string{"off", "on"} {
			t.Run(d.String()+"-lax-"+lax, func(t *testing.T) {
				t.Parallel()
				g := startGateway(t, devices.start(t, d), "WS76_BACKEND_DIALECT="+d.String(), "WS76_BACKEND_LAX="+lax, "WS76_DIAL_TIMEOUT=2s")
				for name, a := range answers {
					reason := map[string]string{"off": a.strict, "on": a.lax}[lax]
					conn, resp, err := websocket.DefaultDialer.Dial("ws://"+g.listen+"/"+name, http.Header{"Origin": {"http://page.example"}})
					switch {
					case reason == "" && err != nil:
						t.Errorf("%s: %v\n%s", name, err, g.log())
					case reason == "":
						conn.Close()
						if lax == "on" && a.slip != "" {
							g.says(g.logged("slip of the backend accepted"), map[string]any{"slip": a.slip})
						}
					case !errors.Is(err, websocket.ErrBadHandshake):
						t.Errorf("%s: got %v, want a refusal", name, err)
					default:
						want := map[bool]int{true: http.StatusGatewayTimeout, false: http.StatusBadGateway}[reason == "backend-timeout"]
						if said, _ := io.ReadAll(resp.Body); resp.StatusCode != want || !strings.Contains(string(said), ": "+reason+"\n") {
							t.Errorf("%s: refused with %s %q, want %d and %s", name, resp.Status, said, want, reason)
						}
					}
				}
			})
		}
	}
}

// A device that insists on its own Host and Origin gets them, and the URL that it
// answers with is that one.
func TestDeviceInsistsOnHostAndOrigin(t *testing.T) {
	t.Parallel()
	devices := badDevices{"demo": {talk: func(d deviceConn) {
		d.say("\x00" + d.request.Host + " " + d.request.Header.Get("Origin") + "\xff")
		io.Copy(io.Discard, d.br)
	}}}
	g := startGateway(t, devices.start(t, legacy.Hixie76), "WS76_BACKEND_DIALECT=76",
		"WS76_BACKEND_HOST=scope.local:8001", "WS76_BACKEND_ORIGIN=http://panel.local")
	if _, got, err := dialGorilla(t, "ws://"+g.listen+"/demo").ReadMessage(); err != nil || string(got) != "scope.local:8001 http://panel.local" {
		t.Errorf("the device saw %q, %v", got, err)
	}
}

// A subprotocol is one string to a device, which repeats it; the client gets one of
// those that it asked for.
func TestDeviceComparesSubprotocol(t *testing.T) {
	t.Parallel()
	g := startGateway(t, badDevices{
		"one":  {spoil: replace("Protocol: chat, superchat", "Protocol: superchat")},
		"none": {spoil: withoutField("Sec-WebSocket-Protocol")},
	}.start(t, legacy.Hixie76), "WS76_BACKEND_DIALECT=76")
	dialer := websocket.Dialer{Subprotocols: []string{"chat", "superchat"}, EnableCompression: true}
	conn, resp, err := dialer.Dial("ws://"+g.listen+"/repeated", nil)
	if err != nil || conn.Subprotocol() != "chat" || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("repeated: got %v, %v", resp, err)
	}
	for _, path := range []string{"/one", "/none"} {
		if _, _, err := dialer.Dial("ws://"+g.listen+path, nil); !errors.Is(err, websocket.ErrBadHandshake) {
			t.Errorf("%s: got %v, want a refusal", path, err)
		}
	}
}

// Whatever a device says, the client gets messages and an end.
func TestDeviceTalks(t *testing.T) {
	endless := func(d deviceConn) {
		block := strings.Repeat("ä€😀", 10_000)
		for _, err := io.WriteString(d, "\x00"); err == nil; {
			_, err = io.WriteString(d, block)
		}
	}
	// says tells the bytes and waits for the other side to end.
	says := func(bytes string) func(deviceConn) {
		return func(d deviceConn) { d.say(bytes); io.Copy(io.Discard, d.br) }
	}
	tests := map[string]struct {
		talk     func(deviceConn)
		messages []string
		code     int
		reason   string
	}{
		"ff00":               {says("\xff\x00"), nil, 1000, "backend-closed"},
		"ff00-behind-text":   {says("\x00a\xff\xff\x00\x00b\xff"), []string{"a"}, 1000, "backend-closed"},
		"end":                {func(d deviceConn) { d.say("\x00a\xff") }, []string{"a"}, 1001, "backend-gone"},
		"end-inside":         {func(d deviceConn) { d.say("\x00a\xff\x00b") }, []string{"a"}, 1001, "backend-gone"},
		"reset-inside":       {func(d deviceConn) { d.say("\x00b"); d.Conn.(*net.TCPConn).SetLinger(0) }, nil, 1001, "backend-gone"},
		"length-frames":      {says("\x80\x03abc\x80\x80\x80\x02ab\x81\x00\x00a\xff\xff\x00"), []string{"a"}, 1000, "backend-closed"},
		"reserved-sentinel":  {says("\x01abc\xff\x00a\xff\xff\x00"), []string{"a"}, 1000, "backend-closed"},
		"length-over-limit":  {says("\x00a\xff\x80\xff\xff\xff\x7f"), []string{"a"}, 1002, "skip-too-big"},
		"length-of-12-bytes": {says("\x80" + strings.Repeat("\xff", 12)), nil, 1002, "skip-too-big"},
		"endless-length":     {says("\x80" + strings.Repeat("\x80", 1<<16) + "\x01a\x00b\xff\xff\x00"), []string{"b"}, 1000, "backend-closed"},
		"endless-text":       {endless, nil, 1009, "message-too-big"},
		"invalid-utf8":       {says("\x00a\xf0\x9f\x98b\xc0\x80\xe2\x82\xff\xff\x00"), []string{"a\ufffdb\ufffd\ufffd\ufffd"}, 1000, "backend-closed"},
		"empty":              {says("\x00\xff\x00\xff\xff\x00"), []string{"", ""}, 1000, "backend-closed"},
	}
	devices := badDevices{}
	for name, test := range tests {
		devices[name] = badDevice{talk: test.talk}
	}
	g := startGateway(t, devices.start(t, legacy.Hixie76), "WS76_BACKEND_DIALECT=76", "WS76_MAX_MESSAGE=1MiB", "WS76_CLOSE_TIMEOUT=1s") // for that long, the endless text is read
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			conn := dialGorilla(t, "ws://"+g.listen+"/"+name)
			for _, want := range test.messages {
				if kind, got, err := conn.ReadMessage(); err != nil || kind != websocket.TextMessage || string(got) != want {
					t.Fatalf("got %.100q of kind %d, %v, want %q", got, kind, err, want)
				}
			}
			if _, got, err := conn.ReadMessage(); !websocket.IsCloseError(err, test.code) {
				t.Errorf("got %.100q, %v, want Close %d", got, err, test.code)
			}
			conn.Close()
			g := gateway{t, g.process}
			g.says(g.logged("connection closed"), map[string]any{"by": "backend", "reason": test.reason, "messages_down": len(test.messages)})
		})
	}
}

// A binary message of a client is what WS76_BINARY says, whatever version the client has.
func TestBinaryForDevice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		policy, sent string
		want         string // "" = Close 1003
	}{
		{"close", "hello", ""},
		{"text", "hello", "hello"},
		{"text", "\xff", ""},
		{"base64", "\xff\x00", "/wA="},
		{"drop", "\xff", "behind it"},
	} {
		g := startGateway(t, badDevices{}.start(t, legacy.Hixie76), "WS76_BACKEND_DIALECT=76", "WS76_BINARY="+test.policy)
		conn := dialGorilla(t, "ws://"+g.listen+"/demo")
		conn.WriteMessage(websocket.BinaryMessage, []byte(test.sent))
		conn.WriteMessage(websocket.TextMessage, []byte("behind it"))
		_, got, err := conn.ReadMessage()
		if test.want != "" && (err != nil || string(got) != test.want) || test.want == "" && !websocket.IsCloseError(err, 1003) {
			t.Errorf("%s, %q: got %q, %v", test.policy, test.sent, got, err)
		}
		conn.Close()
		if test.want == "" {
			g.says(g.logged("binary message ended a connection"), map[string]any{"by": "client", "dialect": "13", "reason": "binary-message"})
		}
	}
}

// Every version of a client talks to a device.
func TestEveryVersionReachesDevice(t *testing.T) {
	t.Parallel()
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		g := startGateway(t, badDevices{}.start(t, d), "WS76_BACKEND_DIALECT="+d.String())
		for _, client := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76, legacy.Hybi07, legacy.Hybi08, legacy.RFC6455} {
			s, err := speak(g.listen, client, "/demo")
			if err != nil {
				t.Fatalf("%s to %s: %v", client, d, err)
			}
			for _, text := range []string{"hello", "", "hällo €😀"} {
				if err := s.say(text); err != nil {
					t.Fatal(err)
				}
				if got, err := s.hear(); err != nil || got != text {
					t.Errorf("%s to %s: got %q, %v, want %q", client, d, got, err, text)
				}
			}
			s.goodbye()
			if _, err := s.hear(); err != errGoodbye && err != errEnd || s.code != 0 && s.code != 1000 {
				t.Errorf("%s to %s: ended with %v, %d", client, d, err, s.code)
			}
			s.Close()
			g.says(g.logged("connection closed"), map[string]any{"dialect": client.String(), "messages_up": map[bool]int{true: 0, false: 3}[client == d]})
		}
	}
}

// The side of RFC 6455 is pinged, which is the client.
func TestClientOfDeviceIsPinged(t *testing.T) {
	t.Parallel()
	g := startGateway(t, badDevices{}.start(t, legacy.Hixie76), "WS76_BACKEND_DIALECT=76", "WS76_PING_INTERVAL=1s")
	conn := dialGorilla(t, "ws://"+g.listen+"/demo")
	pinged := errors.New("pinged")
	conn.SetPingHandler(func(string) error { return pinged })
	if _, _, err := conn.ReadMessage(); err != pinged {
		t.Errorf("got %v, want a Ping", err)
	}
}
