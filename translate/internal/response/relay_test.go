package response

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
	"github.com/ws76/ws76/translate/wiretest"
)

// A farBody is the body of a backend's answer, as modern hands it out.
type farBody struct {
	io.Reader
	*wiretest.Wire
}

func (b farBody) Read(p []byte) (int, error) { return b.Reader.Read(p) }

// inRelay runs a test with a client of version 13 and its backend, which has
// refused the opening handshake with head.
func inRelay(t *testing.T, head string, test func(client, backend *wiretest.Wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, near := wiretest.New()
		backend, far := wiretest.New()
		go func() {
			defer near.Close()
			resp, err := http.ReadResponse(bufio.NewReader(far), nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body = farBody{resp.Body, far}
			defer resp.Body.Close()
			conn := sockets.New(near, 10*time.Second)
			if err := Relay(resp, false).Write(conn, 10*time.Second); err == nil {
				Drain(conn)
			}
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
			inRelay(t, framing.head, func(client, backend *wiretest.Wire) {
				all := ""
				for range 3 {
					synctest.Wait()
					if all += client.TakeAll(); !strings.Contains(all, " 401 ") {
						t.Errorf("the client has got %q", all)
					}
					time.Sleep(10*time.Second - 1)
					io.WriteString(backend, framing.piece)
					synctest.Wait()
					if got := client.TakeAll(); got != framing.piece {
						t.Errorf("the client got %q, want %q", got, framing.piece)
					} else {
						all += got
					}
				}
				io.WriteString(backend, framing.end)
				if !client.Ended() {
					t.Error("the connection goes on")
				}
				if got, err := answered(all + client.TakeAll()); got != "abcabcabc" || err != nil {
					t.Errorf("the body is %q, %v", got, err)
				}
			})
		})
	}
}

// A body that breaks off, or that stops coming, is seen to be a part.
func TestRelayBreaksOff(t *testing.T) {
	for id, framing := range framings {
		for how, end := range map[string]func(backend *wiretest.Wire){
			"ends":  func(backend *wiretest.Wire) { backend.CloseWrite() },
			"stops": func(*wiretest.Wire) { time.Sleep(10 * time.Second) },
		} {
			t.Run(id+"-"+how, func(t *testing.T) {
				inRelay(t, framing.head, func(client, backend *wiretest.Wire) {
					io.WriteString(backend, framing.piece)
					synctest.Wait()
					end(backend)
					if !client.Ended() {
						t.Error("the client waits on")
					}
					if got, err := answered(client.TakeAll()); got != "abc" || err == nil {
						t.Errorf("the body is %q, whole", got)
					}
				})
			})
		}
	}
}

// A client that takes nothing of a refusal has the write timeout.
func TestRelayNotTaken(t *testing.T) {
	inRelay(t, "HTTP/1.1 401 Unauthorized\r\n\r\n", func(client, backend *wiretest.Wire) {
		go io.WriteString(backend, strings.Repeat("x", 4*wiretest.Size))
		synctest.Wait()
		time.Sleep(10*time.Second - 1)
		if client.Ended() {
			t.Error("a slow client is given up")
		}
		time.Sleep(time.Second)
		if !client.Ended() || !backend.Ended() {
			t.Errorf("a client that takes nothing is held: %t, its backend: %t", !client.Ended(), !backend.Ended())
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
