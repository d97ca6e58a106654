package legacy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// modern is the request of an RFC 6455 client without its version.
const modern = "GET /demo HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Origin: http://example.com\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

const strayKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

var detectTests = []struct {
	id, head string
	want     legacy.Dialect
	reason   string
	status   int
}{
	// Not a WebSocket at all.
	{"plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", legacy.HTTP, "", 0},
	{"plain-post-1.0", "POST / HTTP/1.0\r\n\r\n", legacy.HTTP, "", 0},
	{"plain-keep-alive", swap(head75, "Connection: Upgrade", "Connection: keep-alive"), legacy.HTTP, "", 0},
	{"plain-no-connection", swap(head75, "Connection: Upgrade\r\n", ""), legacy.HTTP, "", 0},
	{"plain-no-upgrade", swap(head75, "Upgrade: WebSocket\r\n", ""), legacy.HTTP, "", 0},
	{"plain-other-upgrade", swap(head75, "Upgrade: WebSocket", "Upgrade: h2c"), legacy.HTTP, "", 0},
	{"plain-longer-token", swap(head75, "Upgrade: WebSocket", "Upgrade: WebSocket2"), legacy.HTTP, "", 0},
	{"plain-two-words", swap(head75, "Upgrade: WebSocket", "Upgrade: Web Socket"), legacy.HTTP, "", 0},
	{"plain-empty-upgrade", swap(head75, "Upgrade: WebSocket", "Upgrade: ,"), legacy.HTTP, "", 0},
	{"plain-version-only", "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 9\r\n\r\n", legacy.HTTP, "", 0},

	// Keys prove that WebSocket was meant.
	{"keys-no-upgrade", swap(head76, "Upgrade: WebSocket\r\n", ""), legacy.HTTP, legacy.UpgradeMissing, 400},
	{"keys-no-connection", swap(head76, "Connection: Upgrade", "Connection: close"), legacy.HTTP, legacy.UpgradeMissing, 400},
	{"one-key-no-upgrade", swap(plus(head75, key2), "Upgrade: WebSocket\r\n", ""), legacy.HTTP, legacy.UpgradeMissing, 400},

	// The request line, Host.
	{"post", swap(head76, "GET", "POST"), legacy.HTTP, legacy.MethodNotGet, 405},
	{"head", swap(modern, "GET", "HEAD"), legacy.HTTP, legacy.MethodNotGet, 405},
	{"get-lower-case", swap(head75, "GET", "get"), legacy.HTTP, legacy.MethodNotGet, 405},
	{"http-1.0", swap(head76, "HTTP/1.1", "HTTP/1.0"), legacy.HTTP, legacy.HTTPVersion, 400},
	{"http-1.2", swap(head75, "HTTP/1.1", "HTTP/1.2"), legacy.HTTP, legacy.HTTPVersion, 400},
	{"http-2.0", swap(modern, "HTTP/1.1", "HTTP/2.0"), legacy.HTTP, legacy.HTTPVersion, 400},
	{"http-2.1", swap(modern, "HTTP/1.1", "HTTP/2.1"), legacy.HTTP, legacy.HTTPVersion, 400},
	{"no-host", swap(head75, "Host: example.com\r\n", ""), legacy.HTTP, legacy.HostMissing, 400},
	{"empty-host", swap(head76, "Host: example.com", "Host: "), legacy.HTTP, legacy.HostMissing, 400},

	// Versions 7, 8 and 13, and no other.
	{"v7", plus(modern, "Sec-WebSocket-Version: 7"), legacy.Hybi07, "", 0},
	{"v8", plus(modern, "Sec-WebSocket-Version: 8"), legacy.Hybi08, "", 0},
	{"v13", plus(modern, "Sec-WebSocket-Version: 13"), legacy.RFC6455, "", 0},
	{"v13-blanks", plus(modern, "SEC-WEBSOCKET-VERSION: \t13 "), legacy.RFC6455, "", 0},
	{"v0", plus(modern, "Sec-WebSocket-Version: 0"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v4", plus(modern, "Sec-WebSocket-Version: 4"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v6", plus(modern, "Sec-WebSocket-Version: 6"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v9", plus(modern, "Sec-WebSocket-Version: 9"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v75", plus(modern, "Sec-WebSocket-Version: 75"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v013", plus(modern, "Sec-WebSocket-Version: 013"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v-empty", plus(modern, "Sec-WebSocket-Version: "), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v-list", plus(modern, "Sec-WebSocket-Version: 13, 8"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v-twice", plus(modern, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v9-no-key", plus(head75, "Sec-WebSocket-Version: 9"), legacy.HTTP, legacy.VersionUnsupported, 426},
	{"v13-no-key", plus(head75, "Sec-WebSocket-Version: 13"), legacy.HTTP, legacy.KeyMissing, 400},
	{"v13-key-twice", plus(modern, strayKey, "Sec-WebSocket-Version: 13"), legacy.HTTP, legacy.KeyRepeated, 400},

	// -76: two keys decide.
	{"76", head76, legacy.Hixie76, "", 0},
	{"76-lower-case", plus(head75, strings.ToLower(key1), strings.ToUpper(key2)), legacy.Hixie76, "", 0},
	{"76-keys-first", swap(swap(head76, key1+"\r\n", ""), "Upgrade:", key1+"\r\nUpgrade:"), legacy.Hixie76, "", 0},
	{"76-no-origin", swap(head76, "Origin: http://example.com\r\n", ""), legacy.Hixie76, "", 0},
	{"76-upgrade-lower-case", swap(head76, "WebSocket\r\n", "websocket\r\n"), legacy.Hixie76, "", 0},
	{"76-upgrade-no-blank", swap(head76, "Upgrade: WebSocket", "Upgrade:WebSocket"), legacy.Hixie76, "", 0},
	{"76-upgrade-list", swap(head76, "Upgrade: WebSocket", "Upgrade: h2c ,\tWebSocket"), legacy.Hixie76, "", 0},
	{"76-upgrade-two-lines", swap(head76, "Upgrade: WebSocket", "Upgrade: h2c\r\nUpgrade: WebSocket"), legacy.Hixie76, "", 0},
	{"76-connection-list", swap(head76, "Connection: Upgrade", "Connection: keep-alive, , UPGRADE"), legacy.Hixie76, "", 0},
	{"76-connection-two-lines", swap(head76, "Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"), legacy.Hixie76, "", 0},
	{"76-empty-keys", plus(head75, "Sec-WebSocket-Key1: ", "Sec-WebSocket-Key2: "), legacy.Hixie76, "", 0},
	{"76-stray-key", plus(head76, strayKey), legacy.Hixie76, "", 0},
	{"76-stray-version", plus(head76, strayKey, "Sec-WebSocket-Version: 13"), legacy.Hixie76, "", 0},
	{"76-draft-0", plus(head76, "Sec-WebSocket-Draft: 0"), legacy.Hixie76, "", 0},
	{"76-draft-1", plus(head76, "Sec-WebSocket-Draft: 1"), legacy.HTTP, legacy.DraftUnsupported, 400},
	{"76-draft-3", plus(head76, "Sec-WebSocket-Draft: 3"), legacy.HTTP, legacy.DraftUnsupported, 400},
	{"76-draft-empty", plus(head76, "Sec-WebSocket-Draft: "), legacy.HTTP, legacy.DraftUnsupported, 400},
	{"76-draft-twice", plus(head76, "Sec-WebSocket-Draft: 0", "Sec-WebSocket-Draft: 0"), legacy.HTTP, legacy.DraftUnsupported, 400},
	{"76-key1-only", plus(head75, key1), legacy.HTTP, legacy.KeyMissing, 400},
	{"76-key2-only", plus(head75, key2), legacy.HTTP, legacy.KeyMissing, 400},
	{"76-key1-twice", plus(head76, key1), legacy.HTTP, legacy.KeyRepeated, 400},
	{"76-key2-twice", plus(head76, key2), legacy.HTTP, legacy.KeyRepeated, 400},

	// -75: nothing else fits. HAProxy 3.2 adds a key without a version.
	{"75", head75, legacy.Hixie75, "", 0},
	{"75-no-origin", swap(head75, "Origin: http://example.com\r\n", ""), legacy.Hixie75, "", 0},
	{"75-upgrade-lower-case", swap(head75, "WebSocket\r\n", "websocket\r\n"), legacy.Hixie75, "", 0},
	{"75-stray-key", plus(head75, strayKey), legacy.Hixie75, "", 0},
	{"75-stray-key-connection-list", swap(plus(head75, strayKey), "Connection: Upgrade", "Connection: keep-alive, upgrade"), legacy.Hixie75, "", 0},
	{"key-no-version", modern, legacy.HTTP, legacy.VersionMissing, 400},
	{"stray-key-no-origin", swap(plus(head75, strayKey), "Origin: http://example.com\r\n", ""), legacy.HTTP, legacy.VersionMissing, 400},
	{"stray-key-empty-origin", swap(plus(head75, strayKey), "Origin: http://example.com", "Origin: "), legacy.HTTP, legacy.VersionMissing, 400},
	{"stray-key-upgrade-lower-case", swap(plus(head75, strayKey), "WebSocket\r\n", "websocket\r\n"), legacy.HTTP, legacy.VersionMissing, 400},
	{"stray-key-upgrade-list", swap(plus(head75, strayKey), "WebSocket\r\n", "WebSocket, h2c\r\n"), legacy.HTTP, legacy.VersionMissing, 400},
}

func TestDetect(t *testing.T) {
	for _, test := range detectTests {
		t.Run(test.id, func(t *testing.T) {
			d, err := legacy.Detect(request(t, test.head))
			if d != test.want || reason(err) != test.reason {
				t.Errorf("got %v, %v, want %v, %q", d, err, test.want, test.reason)
			}
			var refused *legacy.HandshakeError
			if errors.As(err, &refused) && refused.Status() != test.status {
				t.Errorf("status %d, want %d", refused.Status(), test.status)
			}
		})
	}
}

func TestDialect(t *testing.T) {
	for _, test := range []struct {
		d      legacy.Dialect
		name   string
		legacy bool
	}{
		{legacy.HTTP, "http", false},
		{legacy.Hixie75, "75", true},
		{legacy.Hixie76, "76", true},
		{legacy.Hybi07, "7", false},
		{legacy.Hybi08, "8", false},
		{legacy.RFC6455, "13", false},
	} {
		if got := test.d.String(); got != test.name || test.d.Legacy() != test.legacy {
			t.Errorf("%d: %q, legacy %v, want %q, %v", test.d, got, test.d.Legacy(), test.name, test.legacy)
		}
	}
}
