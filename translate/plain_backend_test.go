package translate_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// What a backend sends behind the end of an answer is nobody's. What broke: it was
// the answer of the request that came next, whoever had sent it.
func TestProxySurplus(t *testing.T) {
	t.Parallel()
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"
	for id, test := range map[string]struct{ method, answer string }{
		"HEAD":             {"HEAD", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(poison))},
		"304":              {"GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"},
		"204":              {"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		"Content-Length-0": {"POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"Content-Length-2": {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		"chunked":          {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			go func() {
				for b := range r.backend.conns {
					go answerSurplus(b, test.answer+poison)
				}
			}()
			var clients sync.WaitGroup
			for range 4 {
				c := r.dial()
				clients.Go(func() { askInTurns(t, c, test.method) })
			}
			clients.Wait()
		})
	}
}

// answerSurplus answers /surplus with the surplus.
func answerSurplus(b *backendConn, surplus string) {
	defer b.Close()
	for b.readRequest() == nil {
		answer := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
		if b.request.URL.Path == "/surplus" {
			answer = surplus
		}
		if _, err := io.WriteString(b, answer); err != nil {
			return
		}
	}
}

// askInTurns asks for the surplus, and at once for what is its own.
func askInTurns(t *testing.T, c *client, method string) {
	for range 200 {
		if _, err := fmt.Fprintf(c, "%s /surplus HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nGET /mine HTTP/1.1\r\nHost: h\r\n\r\n", method); err != nil {
			t.Error(err)
			return
		}
		if got := body(c.br, method); strings.Contains(got, "POISON") {
			t.Errorf("the surplus follows its own answer: %q", got)
			return
		}
		if got := body(c.br, http.MethodGet); got != "mine" {
			t.Errorf("got %q for the next request", got)
			return
		}
	}
}

func body(br *bufio.Reader, method string) string {
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
