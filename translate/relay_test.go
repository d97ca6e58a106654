package translate

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
)

// A farBody is the body of a backend's answer, as modern hands it out.
type farBody struct {
	io.Reader
	*wire
}

func (b farBody) Read(p []byte) (int, error) { return b.Reader.Read(p) }

// inRelay runs a test with a client of version 13 and its backend, which has
// refused the opening handshake with head.
func inRelay(t *testing.T, head string, test func(client, backend *wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Timeouts: Timeouts{Write: 10 * time.Second, Dial: 10 * time.Second}})
		client, near := newWire()
		backend, far := newWire()
		go func() {
			defer near.Close()
			resp, err := http.ReadResponse(bufio.NewReader(far), nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body = farBody{resp.Body, far}
			defer resp.Body.Close()
			g.sendRefusal(near, relay(legacy.RFC6455, resp))
		}()
		io.WriteString(backend, head)
		test(client, backend)
		client.Close()
		backend.Close()
		synctest.Wait()
	})
}

var framings = map[string]struct{ head, piece, end string }{
	"length":  {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\n\r\n", "abc", ""},
	"chunked": {"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n", "0\r\n\r\n"},
}

// What there is of a refusal does not wait for the rest, which may take its time
// as long as something comes.
func TestRelayStreams(t *testing.T) {
	for id, framing := range framings {
		t.Run(id, func(t *testing.T) {
			inRelay(t, framing.head, func(client, backend *wire) {
				all := ""
				for range 3 {
					synctest.Wait()
					if all += client.take(); !strings.Contains(all, " 401 ") {
						t.Errorf("the client has got %q", all)
					}
					time.Sleep(10*time.Second - 1)
					io.WriteString(backend, framing.piece)
					synctest.Wait()
					if got := client.take(); got != framing.piece {
						t.Errorf("the client got %q, want %q", got, framing.piece)
					} else {
						all += got
					}
				}
				io.WriteString(backend, framing.end)
				if !client.ended() {
					t.Error("the connection goes on")
				}
				if got, err := answered(all + client.take()); got != "abcabcabc" || err != nil {
					t.Errorf("the body is %q, %v", got, err)
				}
			})
		})
	}
}

// A body that breaks off, or that stops coming, is seen to be a part.
func TestRelayBreaksOff(t *testing.T) {
	for id, framing := range framings {
		for how, end := range map[string]func(backend *wire){
			"ends":  func(backend *wire) { backend.CloseWrite() },
			"stops": func(*wire) { time.Sleep(10 * time.Second) },
		} {
			t.Run(id+"-"+how, func(t *testing.T) {
				inRelay(t, framing.head, func(client, backend *wire) {
					io.WriteString(backend, framing.piece)
					synctest.Wait()
					end(backend)
					if !client.ended() {
						t.Error("the client waits on")
					}
					if got, err := answered(client.take()); got != "abc" || err == nil {
						t.Errorf("the body is %q, whole", got)
					}
				})
			})
		}
	}
}

// A client that takes nothing of a refusal has the write timeout.
func TestRelayNotTaken(t *testing.T) {
	inRelay(t, "HTTP/1.1 401 Unauthorized\r\n\r\n", func(client, backend *wire) {
		go io.WriteString(backend, strings.Repeat("x", 4*wireSize))
		synctest.Wait()
		time.Sleep(10*time.Second - 1)
		if client.ended() {
			t.Error("a slow client is given up")
		}
		time.Sleep(time.Second)
		if !client.ended() || !backend.ended() {
			t.Errorf("a client that takes nothing is held: %t, its backend: %t", !client.ended(), !backend.ended())
		}
	})
}

// answered is the body of an answer.
func answered(answer string) (string, error) {
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
