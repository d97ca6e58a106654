package translate

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/sockets"
	"github.com/ws76/ws76/translate/wiretest"
)

// A netWire is a wire that net/http is content with.
type netWire struct{ *wiretest.Wire }

func (netWire) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (netWire) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// A wires is a listener whose connections a test hands to it.
type wires chan net.Conn

func (w wires) Close() error   { close(w); return nil }
func (w wires) Addr() net.Addr { return &net.TCPAddr{} }
func (w wires) Accept() (net.Conn, error) {
	if conn, ok := <-w; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// inPlainLab runs a test with a client of plain HTTP and its backend, both in
// memory.
func inPlainLab(t *testing.T, test func(client, backend *wiretest.Wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Backend: modern.Dialer{Address: "h:80"}, Timeouts: Timeouts{Write: 30 * time.Second}})
		g.poller.Close() // or no time would pass in the bubble, because the poller waits for a real descriptor
		client, nearClient := wiretest.New()
		backend, nearBackend := wiretest.New()
		g.plain = g.newPlain(func(context.Context) (net.Conn, error) {
			return sockets.New(netWire{nearBackend}, 30*time.Second), nil
		})
		front := make(wires, 1)
		front <- netWire{nearClient}
		served := make(chan error, 1)
		go func() { served <- g.Serve(front) }()
		test(client, backend)
		client.Close()
		backend.Close()
		g.Shutdown(t.Context())
		<-served
	})
}

// A client that does not read its answer is given up, and its backend with it;
// one that reads slowly is not. What broke: both were held for ever.
func TestPlainWriteTimeout(t *testing.T) {
	for name, head := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
		"endless": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			inPlainLab(t, func(client, backend *wiretest.Wire) {
				io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
				synctest.Wait()
				io.WriteString(backend, head)
				synctest.Wait() // or ReverseProxy's flush would wait for a Mutex, during which no time passes
				go io.WriteString(backend, strings.Repeat("x", 16*wiretest.Size))
				synctest.Wait()
				for range 3 {
					time.Sleep(30*time.Second - 1)
					if client.Ended() || backend.Ended() {
						t.Error("a slow client is given up")
						return
					}
					client.TakeAll()
					synctest.Wait()
				}
				time.Sleep(30 * time.Second)
				if !backend.Ended() || !client.Ended() {
					t.Errorf("a client that takes nothing is held, the backend: %t", !backend.Ended())
				}
			})
		})
	}
}

// The deadline of an answer is not the next one's, and a backend may take its
// time for each.
func TestPlainKeepAlive(t *testing.T) {
	inPlainLab(t, func(client, backend *wiretest.Wire) {
		for range 3 {
			io.WriteString(client, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
			synctest.Wait()
			time.Sleep(time.Second) // then the body is asked for
			synctest.Wait()
			if got := client.TakeAll(); !strings.HasPrefix(got, "HTTP/1.1 100 Continue\r\n\r\n") {
				t.Errorf("the client got %q, want 100", got)
				return
			}
			io.WriteString(client, "hi")
			synctest.Wait()
			time.Sleep(time.Minute)
			io.WriteString(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			synctest.Wait()
			if got := client.TakeAll(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "ok") {
				t.Errorf("the client got %q, want 200", got)
				return
			}
			backend.TakeAll()
			time.Sleep(29500 * time.Millisecond) // the deadline passes before the next 100
		}
	})
}

// An answer that comes before the end of its request goes on at once, and the
// rest of the request still reaches the backend. The client's upload is not held
// against the time that it has to read.
func TestPlainEarlyAnswer(t *testing.T) {
	inPlainLab(t, func(client, backend *wiretest.Wire) {
		io.WriteString(client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab")
		synctest.Wait()
		io.WriteString(backend, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
		synctest.Wait()
		if got := client.TakeAll(); !strings.HasSuffix(got, "\r\n\r\nok") {
			t.Errorf("before its request is whole the client got %q", got)
		}
		time.Sleep(time.Minute)
		io.WriteString(client, "cd")
		synctest.Wait()
		if got := backend.TakeAll(); !strings.HasSuffix(got, "\r\n\r\nabcd") {
			t.Errorf("the backend got %q, want all of the request", got)
		}
		io.WriteString(backend, "ok")
		if !client.Ended() {
			t.Error("the connection goes on behind an early answer")
		}
		if got := client.TakeAll(); got != "ok" {
			t.Errorf("then the client got %q", got)
		}
	})
}

// uploadSilence is how long an upload that nobody wants may pause.
const uploadSilence = time.Second

// A client that goes on with its upload gets its early answer all the same.
func TestPlainEarlyAnswerToUpload(t *testing.T) {
	inPlainLab(t, func(client, backend *wiretest.Wire) {
		io.WriteString(client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
		synctest.Wait()
		io.WriteString(backend, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
		time.Sleep(uploadSilence / 3) // net/http waits a little for the rest of the request to go on
		synctest.Wait()
		if got := client.TakeAll(); !strings.HasSuffix(got, "\r\n\r\nno") || !client.Ended() {
			t.Errorf("the client got %q, ended: %t", got, client.Ended())
		}
		for range 3 {
			time.Sleep(uploadSilence / 2)
			if _, err := io.WriteString(client, strings.Repeat("x", wiretest.Size)); err != nil {
				t.Error(err)
				return
			}
			synctest.Wait()
			if n := client.Unread(); n > 0 {
				t.Errorf("%d bytes of the upload are not read", n)
			}
		}
		time.Sleep(2 * uploadSilence)
		if _, err := io.WriteString(client, "x"); err == nil {
			t.Error("a client that is silent is heard on")
		}
	})
}

// An answer without Content-Type stays so: what net/http makes of a body is
// text/html, against the backend's nosniff.
func TestPlainContentType(t *testing.T) {
	for fields, want := range map[string]string{"": "", "Content-Type: a/b\r\n": "a/b", "Content-Type: \r\n": ""} {
		inPlainLab(t, func(client, backend *wiretest.Wire) {
			io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			synctest.Wait()
			io.WriteString(backend, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"+fields+"Content-Length: 6\r\n\r\n<html>")
			synctest.Wait()
			_, final, _ := strings.Cut(client.TakeAll(), "\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(final)), nil)
			if err != nil || resp.Header.Get("Content-Type") != want {
				t.Errorf("answer %v, %v; want Content-Type %q", resp, err, want)
			}
		})
	}
}

// The status line and what there is of a body do not wait for the rest, with
// Content-Length either.
func TestPlainStreams(t *testing.T) {
	inPlainLab(t, func(client, backend *wiretest.Wire) {
		io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		synctest.Wait()
		for _, piece := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "a", "b"} {
			io.WriteString(backend, piece)
			synctest.Wait()
			if got := client.TakeAll(); got == "" || piece[0] != 'H' && got != piece {
				t.Errorf("after %q the client got %q", piece, got)
			}
		}
	})
}

// A connection to the backend is closed when it has been idle for 30 s, and that of a
// client when it has been for 620 s. One on which the client is logged in is kept for as
// long as the client's own.
func TestPlainIdle(t *testing.T) {
	for id, test := range map[string]struct {
		fields, response string
		kept             bool
	}{
		"plain":         {"", "200 OK\r\n", false},
		"basic":         {"Authorization: Basic eDp5\r\n", "401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n", false},
		"challenge":     {"", "401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: Negotiate\r\n", true},
		"login":         {"Authorization: NTLM TlRMTVNTUAAB\r\n", "200 OK\r\n", true},
		"not-a-refusal": {"", "200 OK\r\nWWW-Authenticate: Negotiate oYG2\r\n", false},
	} {
		t.Run(id, func(t *testing.T) {
			inPlainLab(t, func(client, backend *wiretest.Wire) {
				io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n"+test.fields+"\r\n")
				synctest.Wait()
				io.WriteString(backend, "HTTP/1.1 "+test.response+"Content-Length: 2\r\n\r\nok")
				time.Sleep(plainIdle - 1)
				if backend.Ended() {
					t.Error("the backend's connection is closed too early")
				}
				time.Sleep(2 * time.Nanosecond)
				if backend.Ended() == test.kept {
					t.Errorf("after %v the backend's connection is closed: %t", plainIdle, !test.kept)
				}
				time.Sleep(620*time.Second - plainIdle - 2)
				if client.Ended() {
					t.Error("the client's connection is closed too early")
				}
				time.Sleep(2 * time.Nanosecond)
				if !client.Ended() || !backend.Ended() {
					t.Errorf("after 620 s the connections are closed: %t, %t", client.Ended(), backend.Ended())
				}
			})
		})
	}
}

// A response that comes before a small body which then does not come, or not all of it,
// ends its connection soon. What broke: it was open for as long as the client liked.
func TestPlainEarlyResponseToSmallBody(t *testing.T) {
	for _, sent := range []string{"", "he"} {
		inPlainLab(t, func(client, backend *wiretest.Wire) {
			io.WriteString(client, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"+sent)
			synctest.Wait()
			io.WriteString(backend, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(100 * time.Millisecond) // for net/http to see whether the rest of the body comes
			synctest.Wait()
			if got := client.TakeAll(); !strings.Contains(got, "HTTP/1.1 401 Unauthorized\r\n") || !strings.Contains(got, "\r\nConnection: close\r\n") {
				t.Errorf("the client got %q", got)
			}
			time.Sleep(3 * time.Second)
			if !client.Ended() {
				t.Error("the connection is open after 3 s")
			}
		})
	}
}

// An upload that the backend does not read ends, and says why.
func TestPlainBackendSlow(t *testing.T) {
	inPlainLab(t, func(client, backend *wiretest.Wire) {
		io.WriteString(client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
		go func() {
			for range 16 {
				io.WriteString(client, strings.Repeat("x", wiretest.Size))
			}
		}()
		time.Sleep(29 * time.Second)
		if client.Ended() || backend.Ended() {
			t.Error("it is over too early")
		}
		time.Sleep(31 * time.Second)
		if got := client.TakeAll(); !strings.HasPrefix(got, "HTTP/1.1 504 ") || !strings.Contains(got, ": backend-slow\n") {
			t.Errorf("the client got %q", got)
		}
		if !backend.Ended() {
			t.Error("the backend's connection is open")
		}
	})
}
