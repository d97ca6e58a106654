package translate_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// proxied serves a handler behind a gateway.
func proxied(t *testing.T, handler http.HandlerFunc, change func(*translate.Options)) string {
	t.Helper()
	backend := httptest.NewServer(handler)
	t.Cleanup(backend.Close)
	return serveGateway(t, backend.Listener.Addr().String(), change)
}

// The target goes on byte for byte, and a connection serves one request after
// the other.
func TestProxyTargets(t *testing.T) {
	address := proxied(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) },
		func(o *translate.Options) { o.PathPrefix = "/app" })
	conn := dialTCP(t, address)
	br := bufio.NewReader(conn)
	for _, c := range []struct{ target, want string }{
		{"/", "/app/"},
		{"/a|b/%7e;p?x=1;2&y=%zz", "/app/a|b/%7e;p?x=1;2&y=%zz"},
		{"/empty?", "/app/empty?"},
		{"//twice", "/app//twice"},
		{"//a|b%41", "/app//a|b%41"},
		{"http://other.example/abs?q", "/app/abs?q"},
		{"http://other.example", "/app/"},
	} {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", c.target)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.target, err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != c.want {
			t.Errorf("%s: the backend saw %q, want %q", c.target, body, c.want)
		}
	}
}

// A path that begins with // goes on byte for byte too, or not at all. What broke:
// //x|%2f..%2fadmin reached the backend as //x%7C/../admin.
func TestProxyDoubleSlash(t *testing.T) {
	for _, c := range []struct{ prefix, target, want string }{
		{"", "//x%2f", "//x%2f"},
		{"", "//x/%41;p=(1)?|", "//x/%41;p=(1)?|"},
		{"", "//", "//"},
		{"", "/a|b%2f", "/a|b%2f"},
		{"", "//a|b%41", ""},
		{"", "//x|%2f..%2fadmin", ""},
		{"", "http://h//x|", ""},
		{"//app", "/x%2f", "//app/x%2f"},
		{"//app", "/x|", ""},
	} {
		t.Run(c.prefix+" "+c.target, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.PathPrefix = c.prefix })
			client := r.dial()
			client.say("GET " + c.target + " HTTP/1.1\r\nHost: h\r\n\r\n")
			if c.want == "" {
				checkRefusal(t, client, 400, "bad-target")
				r.backend.untouched()
				return
			}
			if got := r.backend.next().request.RequestURI; got != c.want {
				t.Errorf("the backend saw %q, want %q", got, c.want)
			}
		})
	}
}

// OPTIONS * asks the server as a whole, so no prefix goes before it, and the
// backend is the one to answer (RFC 9112 section 3.2.4). Nothing else has that
// target.
func TestProxyOptions(t *testing.T) {
	for _, c := range []struct{ method, target, want string }{
		{"OPTIONS", "*", "OPTIONS *"},
		{"OPTIONS", "http://h", "OPTIONS *"},
		{"OPTIONS", "http://h/", "OPTIONS /app/"},
		{"OPTIONS", "http://h?q", "OPTIONS /app/?q"},
		{"OPTIONS", "/", "OPTIONS /app/"},
		{"GET", "*", ""},
		{"PUT", "*", ""},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.PathPrefix = "/app" })
			client := r.dial()
			client.say(c.method + " " + c.target + " HTTP/1.1\r\nHost: h\r\n\r\n")
			if c.want == "" {
				checkRefusal(t, client, 400, "bad-target")
				r.backend.untouched()
				return
			}
			b := r.backend.next()
			if got := b.request.Method + " " + b.request.RequestURI; got != c.want {
				t.Errorf("the backend saw %q, want %q", got, c.want)
			}
			b.say("HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n")
			resp, err := http.ReadResponse(client.br, nil)
			if err != nil || resp.StatusCode != http.StatusNoContent || resp.Header.Get("Allow") != "GET" {
				t.Errorf("answer %v, %v; want the backend's", resp, err)
			}
		})
	}
}

// Server-sent events arrive one by one: the backend sends the next only when
// the client has the last.
func TestProxyEventStream(t *testing.T) {
	next := make(chan bool)
	address := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
			<-next
		}
	}, nil)
	resp, err := http.Get("http://" + address + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	br := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := br.ReadString('\n')
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
		br.ReadString('\n')
		next <- true
	}
}

// The trailer of a response goes on, that of a request does not.
func TestProxyTrailers(t *testing.T) {
	address := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", fmt.Sprint("trailer ", r.Trailer))
	}, nil)
	req, _ := http.NewRequest(http.MethodPost, "http://"+address, strings.NewReader("body"))
	req.ContentLength = -1
	req.Trailer = http.Header{"X-Sum": {"client"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if got := resp.Trailer.Get("X-Sum"); got != "trailer map[]" {
		t.Errorf("trailer %q, want that of the backend, which saw none", got)
	}
}

const forbiddenTrailers = "Content-Length: 99\r\nX-Forwarded-For: evil\r\nX_Forwarded_For: evil\r\nTrue-Client-Ip: evil\r\nConnection: X-Sum\r\nProxy: http://evil\r\nSet-Cookie: a=1\r\n" +
	"Authorization: Basic eDp5\r\nWWW-Authenticate: Basic\r\nIf-Match: x\r\nCache-Control: public\r\nLocation: /evil\r\n"

// An answer's trailer holds no such field either, announced or not. What broke:
// Content-Length: 99 behind the body reached the client.
func TestProxyForbiddenAnswerTrailers(t *testing.T) {
	for _, announced := range []string{"", "Trailer: X-Sum\r\n", "Trailer: X-Sum, Set-Cookie, Location\r\n"} {
		t.Run(announced, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			r.backend.next().say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + announced + "\r\n" +
				"2\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Digest: sha-256=:x:\r\n" + forbiddenTrailers + "\r\n")
			head, rest, _ := strings.Cut(c.all(), "\r\n\r\n")
			_, trailer, _ := strings.Cut(rest, "\r\n0\r\n")
			fields := strings.Fields(trailer)
			slices.Sort(fields)
			if got := strings.Join(fields, " "); got != "1 Content-Digest: X-Sum: sha-256=:x:" || strings.Contains(head, "Set-Cookie") {
				t.Errorf("head %q, trailer %q, want X-Sum and Content-Digest only", head, trailer)
			}
		})
	}
}

// A request of HTTP/1.0 may be without Host; then none is made up.
func TestProxyWithoutHost(t *testing.T) {
	r := newRig(t, func(o *translate.Options) { o.PreserveHost = true })
	c := r.dial()
	c.say("GET / HTTP/1.0\r\n\r\n")
	b := r.backend.next()
	if got, there := b.request.Header["X-Forwarded-Host"]; there {
		t.Errorf("the backend saw X-Forwarded-Host %q, want none", got)
	}
	b.say("HTTP/1.1 204 No Content\r\n\r\n")
	c.all()
}

// HTTP/1.0 knows no interim answers (RFC 9110 section 15.2).
func TestProxyInterimAnswers(t *testing.T) {
	for version, want := range map[string]int{"1.0": 0, "1.1": 2} {
		t.Run(version, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say("GET / HTTP/" + version + "\r\nHost: h\r\nConnection: close\r\n\r\n")
			r.backend.next().say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
			answer := c.all()
			if got := strings.Count(answer, " 100 Continue\r\n") + strings.Count(answer, " 103 Early Hints\r\n"); got != want || !strings.Contains(answer, " 204 No Content\r\n") {
				t.Errorf("got %q, want %d interim answers", answer, want)
			}
		})
	}
}

// The fields of the backend's connection are none of the client's, in an interim
// answer either.
func TestProxyInterimFields(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	b := r.backend.next()
	b.say("HTTP/1.1 103 Early Hints\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nLink: </a>\r\n\r\n")
	c.get("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
	b.say("HTTP/1.1 204 No Content\r\nDate: 0\r\n\r\n")
	c.get("HTTP/1.1 204 No Content\r\nDate: 0\r\n\r\n")
}

// Upgrade is not passed on, so it does not matter what it says.
func TestProxyUnreadableUpgrade(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade, close\r\nUpgrade: \xff\r\n\r\n")
	b := r.backend.next()
	if got, there := b.request.Header["Upgrade"]; there {
		t.Errorf("the backend got Upgrade %q", got)
	}
	b.say("HTTP/1.1 204 No Content\r\n\r\n")
	if answer := c.all(); !strings.HasPrefix(answer, "HTTP/1.1 204 ") {
		t.Errorf("got %q", answer)
	}
}

// A request whose end can be read in two ways is refused, and what follows it is not
// read as a request: a proxy before ws76 may have read the other end (RFC 9112 section
// 6.1).
func TestProxyAmbiguousFraming(t *testing.T) {
	const evil = "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
	for id, head := range map[string]string{
		"1.1":         "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"1.1-options": "OPTIONS / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		"1.0":         "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"1.0-chunked": "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(head + "0\r\n\r\n" + evil)
			checkRefusal(t, c, 400, translate.AmbiguousFraming)
			r.backend.untouched()
		})
	}
}

// Where the raw head is not known, behind a body in chunks, the end of a request with a
// body can not be checked, so its response is the last.
func TestProxyUncheckedFraming(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	for i, want := range []int{0, 1} {
		c.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
		b := r.backend.next()
		io.ReadFull(b.br, make([]byte, len("0\r\n\r\n"))) // or the response would be an early one, which ends the connection
		b.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		var answer string
		for !strings.HasSuffix(answer, "ok") {
			b, err := c.br.ReadByte()
			if err != nil {
				t.Fatal(err)
			}
			answer += string(b)
		}
		if got := strings.Count(answer, "Connection: close"); got != want {
			t.Errorf("response %d is %q, the last: %d, want %d", i, answer, got, want)
		}
	}
	c.end("")
}

// A client that waits for 100 Continue gets it when the backend wants the body,
// and a final answer instead when it does not.
func TestProxyExpectContinue(t *testing.T) {
	address := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}, nil)
	for path, want := range map[string]string{"/yes": "HTTP/1.1 100 Continue\r\n", "/no": "HTTP/1.1 403 Forbidden\r\n"} {
		conn := dialTCP(t, address)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", path)
		br := bufio.NewReader(conn)
		if line, err := br.ReadString('\n'); err != nil || line != want {
			t.Errorf("%s: %q, %v, want %q", path, line, err, want)
		}
	}
}

// A large upload passes in constant memory.
func TestProxyUpload(t *testing.T) {
	const size = 256 << 20
	address := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	chunk := make([]byte, 1<<20)
	rand.Read(chunk)
	resp, err := http.Post("http://"+address, "application/octet-stream", io.LimitReader(&repeat{chunk: chunk}, size))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	runtime.ReadMemStats(&after)
	if body, _ := io.ReadAll(resp.Body); string(body) != fmt.Sprint(size, " <nil>") {
		t.Errorf("backend got %q, want %d", body, size)
	}
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 32<<20 {
		t.Errorf("%d MiB allocated for %d MiB of body", grown>>20, size>>20)
	}
}

type repeat struct {
	chunk []byte
	at    int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.chunk[r.at:])
	r.at = (r.at + n) % len(r.chunk)
	return n, nil
}

// What a peer says about the client counts only from a trusted proxy.
func TestProxyForwarded(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, c := range []struct {
		name                   string
		trusted                []netip.Prefix
		wantFor, wantProto     string
		wantHost, wantRealAddr string
	}{
		{"trusted", loopback, "192.0.2.1, 127.0.0.1", "https", "public.example", "192.0.2.1"},
		{"untrusted", nil, "127.0.0.1", "http", "h", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := make(chan http.Header, 1)
			address := proxied(t, func(w http.ResponseWriter, r *http.Request) { seen <- r.Header },
				func(o *translate.Options) { o.TrustedProxies = c.trusted })
			conn := dialTCP(t, address)
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public.example\r\nX-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nConnection: X-Private, close\r\nX-Private: 1\r\n\r\n")
			if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
				t.Fatal(err)
			}
			h := <-seen
			got := [...]string{h.Get("X-Forwarded-For"), h.Get("X-Forwarded-Proto"), h.Get("X-Forwarded-Host"), h.Get("X-Real-Ip")}
			want := [...]string{c.wantFor, c.wantProto, c.wantHost, c.wantRealAddr}
			if got != want {
				t.Errorf("backend saw %q, want %q", got, want)
			}
			if (h.Get("Forwarded") != "") != (c.trusted != nil) || h.Get("X-Private") != "" {
				t.Errorf("backend saw Forwarded %q, X-Private %q", h.Get("Forwarded"), h.Get("X-Private"))
			}
		})
	}
}

// Plain HTTP is never upgraded, whatever the backend answers.
func TestProxyNeverUpgrades(t *testing.T) {
	const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nsecret"
	for name, fields := range map[string]string{
		"plain":         "",
		"h2c":           "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
		"no Upgrade":    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
		"no Connection": "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dialTCP(t, serveGateway(t, scripted(t, upgrade), nil))
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || resp.StatusCode != http.StatusBadGateway {
				t.Errorf("answer %v, %v; want 502", resp, err)
			}
		})
	}
}

func TestProxyBackendAway(t *testing.T) {
	r := newRig(t, func(o *translate.Options) { o.Backend.Address = refusingAddress(t) })
	c := r.dial()
	c.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	checkRefusal(t, c, 502, "backend-unreachable")
}

// refusingAddress is one at which nobody listens, and which nobody else can take.
func refusingAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
}

// A backend that is there and does not answer in HTTP is another fault than one
// that is not there.
func TestProxyBadAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":        "",
		"not-http":       "SSH-2.0-OpenSSH_9.9\r\n",
		"not-a-status":   "HTTP/1.1 abc\r\n\r\n",
		"end-in-line":    "HTTP/1.1 20",
		"end-in-head":    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
		"two-lengths":    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"endless-head":   "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 400_000),
		"status-0":       "HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n",
		"status-99":      "HTTP/1.1 099 None\r\nContent-Length: 0\r\n\r\n",
		"end-in-interim": "HTTP/1.1 103 Early Hints\r\n\r\n",
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+"-"+method, func(t *testing.T) {
				r := newRig(t)
				c := r.dial()
				c.say(method + " /a%20b?c HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
				b := r.backend.next()
				io.WriteString(b, answer) // not all of it may be taken
				b.Close()
				resp, err := http.ReadResponse(c.br, nil)
				for err == nil && resp.StatusCode/100 == 1 {
					resp, err = http.ReadResponse(c.br, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 502 || !strings.Contains(string(body), ": backend-bad-answer\n") {
					t.Errorf("answer %s %q", resp.Status, body)
				}
				r.refused(legacy.HTTP, "backend-bad-answer")
				r.log.want(t, "request not proxied", map[string]any{"path": "/a b"})
			})
		}
	}
}

// A malformed body is its client's fault, and what follows it is not a request.
func TestProxyBadBodies(t *testing.T) {
	address := proxied(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("the backend got a whole body")
		}
	}, nil)
	for _, body := range []string{"zz\r\nhello\r\n", "5\r\nhelloX\r\n", "0\r\nno trailer\r\n\r\n"} {
		conn := dialTCP(t, address)
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%sGET / HTTP/1.1\r\nHost: h\r\n\r\n", body)
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), ": bad-body\n") || strings.Count(string(answer), "HTTP/1.1 ") != 1 {
			t.Errorf("%q: answer %q, %v", body, answer, err)
		}
	}
}

// A backend whose TLS cannot be agreed on is as good as away, and one that is
// silent is late.
func TestProxyBackendTLS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer string
		status int
		reason translate.Reason
	}{
		"no-tls": {"HTTP/1.1 400 Bad Request\r\n\r\n", 502, "backend-unreachable"},
		"silent": {"", 504, "backend-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) {
				o.Backend.TLS = &tls.Config{ServerName: "h"}
				o.Timeouts.Dial = patience
				if test.answer == "" {
					o.Timeouts.Dial = 100 * time.Millisecond
				}
			})
			c := r.dial()
			c.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			r.backend.connected().say(test.answer)
			checkRefusal(t, c, test.status, test.reason)
		})
	}
}

// TRACE and CONNECT do not reach the backend.
func TestProxyMethodsNotSupported(t *testing.T) {
	for _, request := range []string{"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"} {
		t.Run(request, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(request)
			checkRefusal(t, c, 501, translate.MethodNotSupported)
			r.backend.untouched()
		})
	}
}

// The preface of HTTP/2 is no request for the backend.
func TestProxyRefusesHTTP2(t *testing.T) {
	address := proxied(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the backend saw %s %s", r.Method, r.RequestURI)
	}, nil)
	conn := dialTCP(t, address)
	fmt.Fprint(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusHTTPVersionNotSupported {
		t.Errorf("answer %v, %v; want 505", resp, err)
	}
}
