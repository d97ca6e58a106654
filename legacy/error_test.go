package legacy_test

import (
	"bufio"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
)

// produce has for every Reason something that brings it about.
var produce = map[string]func(*testing.T) error{
	legacy.MethodNotGet:       opening(swap(head75, "GET", "POST")),
	legacy.HTTPVersion:        opening(swap(head75, "HTTP/1.1", "HTTP/1.0")),
	legacy.HostMissing:        opening(swap(head75, "Host: example.com\r\n", "")),
	legacy.FoldedHead:         opening(plus(head76, "X: a\r\n b")),
	legacy.UpgradeMissing:     opening(swap(head76, "Upgrade: WebSocket\r\n", "")),
	legacy.VersionMissing:     opening(modern),
	legacy.VersionUnsupported: opening(plus(modern, "Sec-WebSocket-Version: 9")),
	legacy.DraftUnsupported:   opening(plus(head76, "Sec-WebSocket-Draft: 2")),
	legacy.KeyMissing:         opening(plus(head75, key1)),
	legacy.KeyRepeated:        opening(plus(head76, key1)),
	legacy.KeyTooLong:         opening(plus(head75, key1+strings.Repeat("x", 256), key2)),
	legacy.NoDigits:           opening(plus(head75, key1, "Sec-WebSocket-Key2: a b")),
	legacy.NoSpaces:           opening(plus(head75, "Sec-WebSocket-Key1: 12", key2)),
	legacy.NotMultiple:        opening(plus(head75, "Sec-WebSocket-Key1: 1 0 1", key2)),
	legacy.KeyOverflow:        opening(plus(head75, "Sec-WebSocket-Key1: 42949 67296", key2)),
	legacy.BodyNotAllowed:     opening(plus(head75, "Content-Length: 8")),
	legacy.BadOrigin:          opening(swap(head75, "Origin: ", "Origin: "+strings.Repeat("a", 4096))),
	legacy.BadTarget:          opening(swap(head75, "/demo", "*")),
	legacy.BadProtocol:        opening(plus(head75, "WebSocket-Protocol: my chat")),
	legacy.ProtocolMismatch: func(t *testing.T) error {
		return mustOpen(t, plus(head75, "WebSocket-Protocol: chat")).CheckProtocol("")
	},
	legacy.Key3Timeout: func(t *testing.T) error {
		return mustOpen(t, head76).Accept(&segmentConn{}, bufio.NewReader(silent{os.ErrDeadlineExceeded}), legacy.ResponseFields{}, 0)
	},
	legacy.Key3Missing: func(t *testing.T) error {
		return mustOpen(t, head76).Accept(&segmentConn{}, bufio.NewReader(silent{io.EOF}), legacy.ResponseFields{}, 0)
	},
	legacy.ForeignOrigin: upgrading(head76),
	legacy.NotLegacy:     upgrading(plus(modern, "Sec-WebSocket-Version: 13")),
	legacy.BadResponse: func(t *testing.T) error {
		_, err := readAnswer(t, legacy.Hixie75, "HTTP/1.1 404 Not Found\r\n\r\n")
		return err
	},
	legacy.MessageTooBig:  scanning("\x00ab"),
	legacy.SkipTooBig:     scanning("\x01ab"),
	legacy.LengthOverflow: scanning("\x80" + strings.Repeat("\xff", 10)),
}

func opening(head string) func(*testing.T) error {
	return func(t *testing.T) error {
		_, err := open(t, head)
		return err
	}
}

// upgrading is a request to an Upgrader that accepts no Origin.
func upgrading(head string) func(*testing.T) error {
	return func(t *testing.T) error {
		u := legacy.Upgrader{CheckOrigin: func(*http.Request) bool { return false }}
		_, err := u.Upgrade(httptest.NewRecorder(), request(t, head))
		return err
	}
}

func scanning(src string) func(*testing.T) error {
	return func(*testing.T) error {
		s := legacy.Scanner{MaxMessage: 1}
		if src[0] == 1 {
			s.MaxSkip = 1
		}
		_, _, err := s.Scan([]byte(src), false)
		return err
	}
}

// silent is a reader that has only an error.
type silent struct{ err error }

func (r silent) Read([]byte) (int, error) { return 0, r.err }

// Every word is known, distinct, explained, and can come up.
func TestReasons(t *testing.T) {
	words := reasons(t)
	atLeast(t, words, 25)
	seen := map[string]bool{}
	for _, r := range words {
		if seen[r] {
			t.Errorf("%s: two constants", r)
		}
		seen[r] = true
		sentence := legacy.Describe(r)
		if sentence == "" || strings.HasSuffix(sentence, ".") || strings.ToUpper(sentence[:1]) == sentence[:1] {
			t.Errorf("%s: sentence %q", r, sentence)
		}
		if produce[r] == nil {
			t.Errorf("%s: never produced", r)
			continue
		}
		if err := produce[r](t); reason(err) != r {
			t.Errorf("%s: got %v", r, err)
		}
	}
	if len(produce) != len(seen) {
		t.Errorf("%d reasons produced, want %d", len(produce), len(seen))
	}
	if got := legacy.Describe("other"); got != "" {
		t.Errorf("a word of nobody's: %q", got)
	}
}

// reasons reads the constants out of the source, where none can be forgotten.
func reasons(t *testing.T) (words []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				return false // a table
			}
			word, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, word)
		}
		return false
	})
	return words
}

// A server that cannot hand out its connection cannot upgrade it, and says so.
func TestUpgradeWithoutHijack(t *testing.T) {
	for _, head := range []string{head75, head76} {
		w := httptest.NewRecorder()
		c, err := new(legacy.Upgrader).Upgrade(w, request(t, head))
		if c != nil || !errors.Is(err, http.ErrNotSupported) || w.Code != http.StatusInternalServerError || w.Body.Len() == 0 {
			t.Errorf("got %v, %v, status %d, %q", c, err, w.Code, w.Body)
		}
	}
}

// A handedOut is a ResponseWriter whose connection can be taken over.
type handedOut struct {
	http.ResponseWriter
	conn net.Conn
}

func (h handedOut) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

// A refusal is whole on a connection that cannot end its half too. What the client still
// sends is taken for a second, and then the connection ends.
func TestUpgradeRefusesWithoutHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		answered := make(chan string)
		go func() {
			resp, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Error(err)
				return
			}
			body, _ := io.ReadAll(resp.Body)
			if _, err := io.WriteString(client, key3); err != nil {
				t.Errorf("key3 is not taken: %v", err)
			}
			answered <- resp.Status + ": " + string(body)
			io.Copy(io.Discard, client)
			close(answered)
		}()
		began := time.Now()
		go new(legacy.Upgrader).Upgrade(handedOut{httptest.NewRecorder(), server}, request(t, swap(head76, "Origin: http://example.com", "Origin: http://other.example")))
		if got := <-answered; !strings.HasPrefix(got, "403 Forbidden: ") || !strings.Contains(got, legacy.ForeignOrigin) {
			t.Errorf("got %q", got)
		}
		<-answered
		if took := time.Since(began); took != time.Second {
			t.Errorf("the connection ends after %v, want 1s", took)
		}
	})
}

func TestErrorText(t *testing.T) {
	cause := errors.New("reset")
	for _, test := range []struct {
		err  error
		want string
	}{
		{legacy.NewHandshakeError(legacy.NoDigits, "", nil), "opening handshake: a key has no digit (no-digits)"},
		{
			legacy.NewHandshakeError(legacy.NoDigits, "a\r\nb", nil),
			`opening handshake: a key has no digit (no-digits, "a\r\nb")`,
		},
		{
			legacy.NewHandshakeError(legacy.Key3Missing, "3 of 8 bytes came", cause),
			`opening handshake: the connection ended before the 8 bytes of key3 (key3-missing, "3 of 8 bytes came": reset)`,
		},
		{
			legacy.NewHandshakeError(legacy.NoDigits, strings.Repeat("a", 1000), nil),
			`opening handshake: a key has no digit (no-digits, "` + strings.Repeat("a", 64) + `")`,
		},
		{
			legacy.NewFrameError(legacy.MessageTooBig, 65537),
			"frame at offset 65537: a message is larger than the limit (message-too-big)",
		},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestHandshakeErrorAnswer(t *testing.T) {
	other := map[string]struct {
		status int
		header http.Header
	}{
		legacy.ForeignOrigin:      {403, nil},
		legacy.MethodNotGet:       {405, http.Header{"Allow": {"GET"}}},
		legacy.VersionUnsupported: {426, http.Header{"Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13, 8, 7"}}},
		legacy.BadResponse:        {502, nil}, // of a server
	}
	for _, r := range reasons(t) {
		want, ok := other[r]
		if !ok {
			want.status = 400
		}
		e := legacy.NewHandshakeError(r, "", nil)
		if status, header := e.Status(), e.Header(); status != want.status || !reflect.DeepEqual(header, want.header) {
			t.Errorf("%s: got %d, %v, want %d, %v", r, status, header, want.status, want.header)
		}
	}
}
