package translate_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// legal are handshakes that are legal HTTP: their refusal need not end the connection.
var legal = map[string]string{
	"75":          head75,
	"76-declared": with(head76, "Content-Length: 8\r\n") + key3,
	"7":           strings.Replace(requests["8"], "Version: 8", "Version: 7", 1),
	"8":           requests["8"],
	"13":          requests["13"],
}

// A challenge, a redirect or a fallback goes on on the connection of a refused handshake,
// as without the gateway, and the backend's reason phrase reaches the client.
func TestRefusedHandshakeKeepsConnection(t *testing.T) {
	for id, request := range legal {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			for range 2 {
				c.say(request)
				r.backend.next().say("HTTP/1.1 401 Who are you\r\nWWW-Authenticate: Basic realm=\"x\"\r\nSec-WebSocket-Version: 13\r\nContent-Length: 18\r\n\r\nsixteen and more..")
				head := readHead(t, c)
				for _, want := range []string{"HTTP/1.1 401 Who are you\r\n", "\r\nWww-Authenticate: Basic realm=\"x\"\r\n", "\r\nSec-WebSocket-Version: 13\r\n", "\r\nContent-Length: 18\r\n"} {
					if !strings.Contains(head, want) {
						t.Errorf("the head %q lacks %q", head, want)
					}
				}
				if strings.Contains(strings.ToLower(head), "\r\nconnection:") {
					t.Errorf("the head %q is about the connection", head)
				}
				c.get("sixteen and more..")
			}
			c.say("GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n")
			if got := r.backend.next().request.RequestURI; got != "/page" {
				t.Errorf("then the backend got %s", got)
			}
		})
	}
}

func readHead(t *testing.T, c *client) (head string) {
	t.Helper()
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := c.br.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", head, err)
		}
		head += line
	}
	return head
}

// What the gateway itself refuses keeps its connection too, if it is legal.
func TestOwnRefusalKeepsConnection(t *testing.T) {
	for reason, change := range map[translate.Reason]func(*translate.Options){
		translate.OriginNotAllowed:   func(o *translate.Options) { o.Origins = []string{} },
		translate.DialectNotAllowed:  func(o *translate.Options) { o.Dialects = []legacy.Dialect{} },
		"backend-unreachable":        func(o *translate.Options) { o.Backend.Address = refusingAddress(t) },
		translate.TooManyConnections: func(o *translate.Options) { o.Limits.Connections = 1 },
	} {
		t.Run(string(reason), func(t *testing.T) {
			r := newRig(t, change)
			if reason == translate.TooManyConnections {
				r.open(legacy.Hixie75)
			}
			c := r.dial()
			for range 2 {
				c.say(requests["13"])
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil || resp.Close {
					t.Fatalf("got %+v, %v", resp, err)
				}
				if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), ": "+string(reason)+"\n") {
					t.Errorf("got %s", body)
				}
			}
		})
	}
}

// Where what follows may not be a request, the connection ends with the refusal.
func TestRefusedHandshakeEndsConnection(t *testing.T) {
	t.Parallel()
	const whole = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 16\r\n\r\nsixteen bytes..."
	for id, test := range map[string]struct {
		request, answer string
		broken          bool
	}{
		"undeclared":     {head76 + key3, whole, false},
		"without-key3":   {with(head76, "Content-Length: 8\r\n"), whole, false},
		"half-of-key3":   {with(head76, "Content-Length: 8\r\n") + key3[:4], whole, false},
		"behind-75":      {head75 + "\x00frame\xff", whole, false},
		"behind-13":      {requests["13"] + "G", whole, false},
		"behind-key3":    {with(head76, "Content-Length: 8\r\n") + key3 + "\x00", whole, false},
		"asked-to-close": {strings.Replace(head75, "Connection: Upgrade", "Connection: Upgrade, close", 1), whole, false},
		"broken-75":      {head75, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\nsixteen bytes...", true},
		"broken-chunks":  {head75, "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nsixteen bytes...", true},
		"broken-76":      {head76 + key3, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\nsixteen bytes...", true},
		"long-75":        {head75, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 65537\r\n\r\n" + noise(65537), true},
		"long-chunks":    {head75, "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n" + noise(65537) + "\r\n0\r\n\r\n", true},
		"long-76":        {head76 + key3, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n" + noise(99<<10), true},
		"broken-13":      {requests["13"], "HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\nsixteen bytes...", true},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := r.dial()
			c.say(test.request)
			b := r.backend.next()
			go func() {
				io.WriteString(b, test.answer) // not all of it may be taken
				b.CloseWrite()
			}()
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil || resp.StatusCode != http.StatusUnauthorized || !resp.Close && id != "broken-13" {
				t.Fatalf("got %+v, %v", resp, err)
			}
			if resp.TransferEncoding != nil {
				t.Errorf("the body is %s, which old clients do not read", resp.TransferEncoding)
			}
			if body, err := io.ReadAll(resp.Body); (err != nil) != test.broken {
				t.Errorf("got %d bytes, %v, want it broken: %t", len(body), err, test.broken)
			}
			c.say("GET /evil HTTP/1.1\r\nHost: h\r\n\r\n")
			if rest, _ := io.ReadAll(c.br); len(rest) > 0 {
				t.Errorf("then the client got %q", rest)
			}
			r.backend.untouched()
		})
	}
}

// A refusal that is under way when the gateway shuts down arrives whole.
func TestShutdownDeliversRefusals(t *testing.T) {
	for id, request := range map[string]string{"kept": requests["13"], "76": head76 + key3} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(request)
			b := r.backend.next()
			if id == "76" { // of which the gateway waits for the whole body
				b.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 20000000\r\n\r\n" + noise(64<<10+1))
			} else {
				b.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 32\r\n\r\nsixteen bytes...")
			}
			c.br.Peek(1)
			done := make(chan error, 1)
			go func() { done <- r.gw.Shutdown(t.Context()) }()
			eventually(t, r.gw.Draining, func() any { return "not draining" })
			if id == "76" {
				c.SetReadDeadline(time.Now().Add(patience))
				if got := len(c.all()); got < 64<<10 {
					t.Errorf("got %d bytes", got)
				}
			} else {
				select {
				case err := <-done:
					t.Errorf("it is down before the refusal is sent, %v", err)
				default:
				}
				b.say("and the rest of.")
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(resp.Body); string(body) != "sixteen bytes...and the rest of." || err != nil {
					t.Errorf("got %q, %v", body, err)
				}
			}
			c.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
