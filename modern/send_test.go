package modern_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/ws76/ws76/modern"
)

// wrongError is an error of who checks a response.
type wrongError struct{}

func (wrongError) Error() string  { return "wrong" }
func (wrongError) Reason() string { return "wrong" }

func TestSend(t *testing.T) {
	noLeaks(t)
	const answer = "HTTP/1.1 101 Any Thing\r\nA: b\r\n\r\n0123456789abcdef"
	readAll := func(br *bufio.Reader) error {
		if _, err := http.ReadResponse(br, nil); err != nil {
			return err
		}
		_, err := io.ReadFull(br, make([]byte, 16))
		return err
	}
	send := func(t *testing.T, answer string, check func(*bufio.Reader) error) (*modern.Backend, error) {
		d := &modern.Dialer{Address: serve(t, answering(answer))}
		return d.Send(t.Context(), []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), check)
	}
	t.Run("accepted", func(t *testing.T) {
		b, err := send(t, answer+"frames", readAll)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Conn.Close()
		if got := remainder(t, b); got != "frames" || b.Header.Get("A") != "b" {
			t.Errorf("rest %q, header %v", got, b.Header)
		}
	})
	t.Run("refused", func(t *testing.T) {
		_, err := send(t, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nsorry", readAll)
		var refused *modern.RefusedError
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		defer refused.Response.Body.Close()
		if body, _ := io.ReadAll(refused.Response.Body); string(body) != "sorry" {
			t.Errorf("body %q", body)
		}
	})
	for id, test := range map[string]struct {
		answer string
		check  func(*bufio.Reader) error
		want   string
	}{
		"no-http":   {"hello\r\n\r\n", readAll, modern.BadResponse},
		"ends":      {answer[:len(answer)-1], readAll, modern.BadResponse},
		"of-caller": {answer, func(*bufio.Reader) error { return wrongError{} }, "wrong"},
	} {
		t.Run(id, func(t *testing.T) {
			_, err := send(t, test.answer, test.check)
			var reasoned interface{ Reason() string }
			if !errors.As(err, &reasoned) || reasoned.Reason() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
