package connect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/legacy"
)

// to is a client of -76 in memory, whose server runs serve when the connection is open.
func to(t *testing.T, serve func(net.Conn, *bufio.Reader)) *Client {
	t.Helper()
	dial := func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			br := bufio.NewReader(server)
			r, err := http.ReadRequest(br)
			if err != nil {
				t.Error(err)
				return
			}
			h, err := legacy.NewHandshake(r, legacy.Hixie76, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := h.Accept(server, br, legacy.ResponseFields{Location: "ws://example.com/"}, time.Second); err != nil {
				t.Error(err)
				return
			}
			serve(server, br)
		}()
		return client, nil
	}
	return &Client{Place: reach.Place{URL: &url.URL{Scheme: "ws", Host: "example.com", Path: "/"}, DialTCP: dial}, Dialect: legacy.Hixie76}
}

// waiting is an input at which nobody types.
func waiting(t *testing.T) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return r
}

// hears reads what the client sends, and sends the answer.
func hears(t *testing.T, want, answer string) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, br *bufio.Reader) {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != want {
			t.Errorf("the server got %q, %v, want %q", got, err, want)
		}
		io.WriteString(conn, answer)
	}
}

// A connection ends in the way of its dialect, or Run says how else.
func TestRunEnds(t *testing.T) {
	text := "x"
	for id, test := range map[string]struct {
		in     string // "" waits
		once   *string
		hears  string
		answer string
		out    string
		end    string
	}{
		"server-closes":     {"", nil, "", "\x00a\xff\xff\x00", "a\n", ""},
		"server-leaves":     {"", nil, "", "\x00a\xff", "a\n", "the end of TCP without FF 00"},
		"end-of-input":      {"x\r\ny", nil, "\x00x\xff\x00y\xff\xff\x00", "\xff\x00", "", ""},
		"late-message":      {"x\n", nil, "\x00x\xff\xff\x00", "\x00late\xff\xff\x00", "late\n", ""},
		"leaves-at-goodbye": {"x\n", nil, "\x00x\xff\xff\x00", "", "", ""},
		"once":              {"", &text, "\x00x\xff", "\x00a\xff\x00b\xff", "a\nb\n", ""},
		"once-and-nothing":  {"", &text, "\x00x\xff", "\xff\x00", "", "FF 00"},
		"too-large":         {"", nil, "", "\x80\xff\xff\xff\xff\xff\x7f", "", "skip-too-big"},
	} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := waiting(t)
				if test.in != "" {
					in = strings.NewReader(test.in)
				}
				c := to(t, func(conn net.Conn, br *bufio.Reader) {
					hears(t, test.hears, test.answer)(conn, br)
					if strings.HasSuffix(test.answer, "b\xff") { // the client says goodbye when it has one
						io.Copy(io.Discard, io.LimitReader(br, 2))
					}
				})
				c.Once = test.once
				var out bytes.Buffer
				err := c.Run(t.Context(), in, &out, io.Discard)
				if test.end == "" && err != nil || test.end != "" && (!errors.As(err, new(*End)) || !strings.Contains(err.Error(), test.end)) {
					t.Errorf("got %v, want %q", err, test.end)
				}
				if out.String() != test.out {
					t.Errorf("printed %q, want %q", &out, test.out)
				}
			})
		})
	}
}

// What a server leaves unanswered ends in time.
func TestRunSilence(t *testing.T) {
	text := "x"
	for id, test := range map[string]struct {
		once *string
		end  string
	}{
		"once":    {&text, "no message in 10s"},
		"goodbye": {nil, "no answer to our closing handshake"},
	} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := to(t, func(_ net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) })
				c.Once = test.once
				err := c.Run(t.Context(), strings.NewReader(""), io.Discard, io.Discard)
				if !errors.As(err, new(*End)) || !strings.Contains(err.Error(), test.end) {
					t.Errorf("got %v, want %q", err, test.end)
				}
			})
		})
	}
}

// Ctrl-C closes in the way of the dialect, also behind a write that nobody takes.
func TestRunInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := to(t, func(conn net.Conn, br *bufio.Reader) {
			io.WriteString(conn, "\x00a\xff")
			cancel()
			hears(t, "\xff\x00", "\xff\x00")(conn, br)
		})
		if err := c.Run(ctx, waiting(t), io.Discard, io.Discard); err != nil {
			t.Error(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		over := make(chan struct{})
		defer close(over)
		c = to(t, func(net.Conn, *bufio.Reader) { <-over })
		if err := c.Run(ctx, strings.NewReader("x\n"), io.Discard, io.Discard); !errors.As(err, new(*End)) {
			t.Errorf("got %v", err)
		}
	})
}

// A message cannot move the cursor of a terminal.
func TestPrintHarmless(t *testing.T) {
	var out bytes.Buffer
	(&printer{out: &out, harmless: true}).message(message{payload: "a\x1b[2J\tß\u009b"})
	if got := out.String(); got != "a\ufffd[2J\tß\ufffd\n" {
		t.Errorf("printed %q", got)
	}
}
