package modern_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/ws76/ws76/modern"
)

// refuse answers with the status, the fields and the body that the path names.
func refuse(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var status int
		var how string
		fmt.Sscanf(r.URL.Path, "/%d/%s", &status, &how)
		w.Header().Set("WWW-Authenticate", `Basic realm="a"`)
		w.Header().Set("Location", "/elsewhere")
		w.Header().Set("Retry-After", "7")
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		switch how {
		case "early":
			w.WriteHeader(http.StatusEarlyHints)
		case "length":
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		case "close":
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(status)
		for piece := range slices.Chunk(body, 5000) {
			w.Write(piece)
			if how == "chunked" {
				w.(http.Flusher).Flush()
			}
		}
	}
}

// A refusal comes back whole, however its body is delimited.
func TestDialRefused(t *testing.T) {
	noLeaks(t)
	for _, size := range []int{0, 10, 100_000} {
		server := serveHTTP(t, false, refuse(pattern(size)))
		for _, status := range []int{200, 302, 401, 426, 503} {
			for _, how := range []string{"plain", "length", "chunked", "close", "early"} {
				t.Run(fmt.Sprintf("%d/%s/%d", status, how, size), func(t *testing.T) {
					r := request
					r.Target = fmt.Sprintf("/%d/%s", status, how)
					eachWay(t, func(t *testing.T, open way) {
						resp := mustRefuse(t, open, server.Listener.Addr().String(), r)
						defer resp.Body.Close()
						body, err := io.ReadAll(resp.Body)
						if resp.StatusCode != status || !bytes.Equal(body, pattern(size)) || err != nil {
							t.Errorf("%d, a body of %d bytes, %v", resp.StatusCode, len(body), err)
						}
						h := resp.Header
						if h.Get("WWW-Authenticate") != `Basic realm="a"` || h.Get("Location") != "/elsewhere" ||
							h.Get("Retry-After") != "7" || len(h["Set-Cookie"]) != 2 {
							t.Errorf("header %v", h)
						}
					})
				})
			}
		}
	}
}

// mustRefuse is what a backend answers instead of 101.
func mustRefuse(t *testing.T, open way, address string, r modern.Request) *http.Response {
	t.Helper()
	b, err := open(&modern.Dialer{Address: address}, t.Context(), r)
	var refused *modern.RefusedError
	if b != nil || !errors.As(err, &refused) {
		t.Fatalf("got %+v, %v, want a *RefusedError", b, err)
	}
	return refused.Response
}

// Closing the body of a refusal is closing the connection, with the body read
// or not.
func TestRefusedBodyClose(t *testing.T) {
	noLeaks(t)
	ended := make(chan error, 1)
	address := serve(t, func(conn net.Conn) {
		readHead(conn)
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nabc")
		_, err := io.Copy(io.Discard, conn)
		ended <- err
	})
	for id, read := range map[string]bool{"read": true, "unread": false} {
		t.Run(id, func(t *testing.T) {
			eachWay(t, func(t *testing.T, open way) {
				body := mustRefuse(t, open, address, request).Body
				if read {
					io.Copy(io.Discard, body)
				}
				if err := body.Close(); err != nil {
					t.Error(err)
				}
				if err := <-ended; err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Error(err)
				}
			})
		})
	}
}

// A body that does not go on ends with the context's deadline.
func TestRefusedBodyDeadline(t *testing.T) {
	noLeaks(t)
	address := serve(t, func(conn net.Conn) {
		readHead(conn)
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000\r\n\r\nabc")
		silent(conn)
	})
	eachWay(t, func(t *testing.T, open way) {
		within(t, func(ctx context.Context) error {
			_, err := open(&modern.Dialer{Address: address}, ctx, request)
			var refused *modern.RefusedError
			if !errors.As(err, &refused) {
				return err
			}
			defer refused.Response.Body.Close()
			body, err := io.ReadAll(refused.Response.Body)
			if string(body) != "abc" || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %q, %v", body, err)
			}
			return nil
		})
	})
}
