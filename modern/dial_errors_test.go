package modern_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/ws76/ws76/modern"
)

// badAnswers end the dialling for the reason given, with the words in the
// error.
var badAnswers = map[string]struct {
	reason string
	answer string
	words  string
}{
	"accept-wrong":         {modern.BadResponse, swap(answer101, "{accept}", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), "Accept"},
	"accept-missing":       {modern.BadResponse, swap(answer101, "Sec-WebSocket-Accept: {accept}\r\n", ""), "Accept"},
	"upgrade-missing":      {modern.BadResponse, swap(answer101, "Upgrade: websocket\r\n", ""), "Upgrade"},
	"upgrade-other":        {modern.BadResponse, swap(answer101, "websocket", "h2c"), "Upgrade"},
	"connection-missing":   {modern.BadResponse, swap(answer101, "Connection: Upgrade\r\n", ""), "Connection"},
	"connection-close":     {modern.BadResponse, swap(answer101, "Connection: Upgrade", "Connection: close"), "Connection"},
	"extension":            {modern.UnofferedExtension, plus(answer101, "Sec-WebSocket-Extensions: x-webkit-deflate-frame"), "x-webkit-deflate-frame"},
	"extension-deflate":    {modern.UnofferedExtension, plus(answer101, "Sec-WebSocket-Extensions: permessage-deflate"), ""},
	"extension-parameters": {modern.UnofferedExtension, plus(answer101, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"), "permessage-deflate"},
	"subprotocol":          {modern.UnofferedSubprotocol, plus(answer101, "Sec-WebSocket-Protocol: other"), "other"},
	"subprotocol-case":     {modern.UnofferedSubprotocol, plus(answer101, "Sec-WebSocket-Protocol: Chat"), "Chat"},
	"subprotocols":         {modern.UnofferedSubprotocol, plus(answer101, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat"), "superchat"},
	"subprotocol-list":     {modern.UnofferedSubprotocol, plus(answer101, "Sec-WebSocket-Protocol: chat, superchat"), "chat, superchat"},
	"subprotocol-long":     {modern.UnofferedSubprotocol, plus(answer101, "Sec-WebSocket-Protocol: "+strings.Repeat("a", 60_000)), strings.Repeat("a", 64)},
	"not-http":             {modern.BadResponse, "SSH-2.0-OpenSSH_9.9\r\n\r\n", "malformed"},
	"status-below-100":     {modern.BadResponse, "HTTP/1.1 099 None\r\nContent-Length: 0\r\n\r\n", "99"},
	"not-a-status":         {modern.BadResponse, "HTTP/1.1 abc\r\n\r\n", "malformed"},
	"not-a-field":          {modern.BadResponse, swap(answer101, "Upgrade: websocket", "Upgrade websocket"), "malformed"},
	"nothing":              {modern.BadResponse, "", "EOF after 0 bytes"},
	"end-in-head":          {modern.BadResponse, answer101[:20], "EOF after 20 bytes"},
	"end-after-interim":    {modern.BadResponse, "HTTP/1.1 100 Continue\r\n\r\n", "EOF"},
	"long-head":            {modern.BadResponse, plus(answer101, "A: "+strings.Repeat("a", 66_000)), "longer than 65536 bytes"},
	"endless-head":         {modern.BadResponse, "HTTP/1.1 404 Not Found\r\n" + strings.Repeat("A: b\r\n", 100_000), "longer than 65536 bytes"},
}

func TestDialBadAnswers(t *testing.T) {
	noLeaks(t)
	for id, test := range badAnswers {
		t.Run(id, func(t *testing.T) {
			address := serve(t, answering(test.answer))
			eachWay(t, func(t *testing.T, open way) {
				b, err := open(&modern.Dialer{Address: address}, t.Context(), request)
				if b != nil || reason(err) != test.reason || !strings.Contains(err.Error(), test.words) {
					t.Fatalf("got %+v, %v, want %s with %q", b, err, test.reason, test.words)
				}
				if len(err.Error()) > 400 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			})
		})
	}
}

// gone is an address that nothing listens at: its port belongs to a client.
func gone(t testing.TB) string {
	t.Helper()
	conn, err := net.Dial("tcp", serve(t, silent))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

func TestDialUnreachable(t *testing.T) {
	noLeaks(t)
	secure := serveHTTP(t, true, greet)
	wrongName := trusting(secure)
	wrongName.ServerName = "other.example"
	tlsAddress := secure.Listener.Addr().String()
	certificate := func(err error) bool {
		var e *tls.CertificateVerificationError
		return errors.As(err, &e)
	}
	plain := func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		silent(conn)
	}
	for id, test := range map[string]struct {
		d  modern.Dialer
		is func(error) bool
	}{
		"nobody":       {modern.Dialer{Address: gone(t)}, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		"no-port":      {modern.Dialer{Address: "127.0.0.1"}, func(err error) bool { return strings.Contains(err.Error(), "missing port") }},
		"unknown-root": {modern.Dialer{Address: tlsAddress, TLS: &tls.Config{ServerName: "example.com"}}, certificate},
		"no-name":      {modern.Dialer{Address: tlsAddress, TLS: &tls.Config{}}, func(err error) bool { return strings.Contains(err.Error(), "ServerName") }},
		"other-name":   {modern.Dialer{Address: tlsAddress, TLS: wrongName}, certificate},
		"not-tls": {modern.Dialer{Address: serve(t, plain), TLS: trusting(secure)}, func(err error) bool {
			var e tls.RecordHeaderError
			return errors.As(err, &e)
		}},
	} {
		t.Run(id, func(t *testing.T) {
			eachWay(t, func(t *testing.T, open way) {
				if _, err := open(&test.d, t.Context(), request); reason(err) != modern.Unreachable || !test.is(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
