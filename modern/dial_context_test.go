package modern_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/ws76/ws76/modern"
)

// within runs what must open a connection before a deadline and look at what
// happens there afterwards. A machine that is too slow for it gets more time.
func within(t *testing.T, attempt func(context.Context) error) {
	t.Helper()
	for timeout := 20 * time.Millisecond; ; timeout *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		err := attempt(ctx)
		cancel()
		if err == nil {
			return
		}
		if reason(err) != modern.DialTimeout || timeout > time.Minute {
			t.Fatal(err)
		}
	}
}

// A backend that does not answer has as long as the context: at the beginning,
// within TLS, within the head.
func TestDialTimeout(t *testing.T) {
	noLeaks(t)
	half := func(conn net.Conn) {
		readHead(conn)
		io.WriteString(conn, answer101[:50])
		silent(conn)
	}
	for id, test := range map[string]struct {
		d       modern.Dialer
		timeout time.Duration
	}{
		"silent":        {modern.Dialer{Address: serve(t, silent)}, 20 * time.Millisecond},
		"half-a-head":   {modern.Dialer{Address: serve(t, half)}, 20 * time.Millisecond},
		"silent-in-tls": {modern.Dialer{Address: serve(t, silent), TLS: &tls.Config{InsecureSkipVerify: true}}, 20 * time.Millisecond},
		"passed-before": {modern.Dialer{Address: serve(t, answering(answer101))}, 0},
	} {
		t.Run(id, func(t *testing.T) {
			eachWay(t, func(t *testing.T, open way) {
				ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
				defer cancel()
				_, err := open(&test.d, ctx, request)
				var e *modern.DialError
				if !errors.As(err, &e) || e.Reason() != modern.DialTimeout || e.Status() != http.StatusGatewayTimeout {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// A cancellation ends the dialling wherever it is, and is no timeout.
func TestDialCancel(t *testing.T) {
	noLeaks(t)
	for id, handle := range map[string]func(conn net.Conn, cancel func()){
		"connected": func(conn net.Conn, cancel func()) { cancel() },
		"asked": func(conn net.Conn, cancel func()) {
			readHead(conn)
			cancel()
		},
		"half-a-head": func(conn net.Conn, cancel func()) {
			readHead(conn)
			io.WriteString(conn, answer101[:50])
			cancel()
		},
	} {
		t.Run(id, func(t *testing.T) {
			eachWay(t, func(t *testing.T, open way) {
				ctx, cancel := context.WithCancel(t.Context())
				d := modern.Dialer{Address: serve(t, func(conn net.Conn) {
					handle(conn, cancel)
					silent(conn)
				})}
				if _, err := open(&d, ctx, request); reason(err) != modern.Cancelled || !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := modern.Dialer{Address: serve(t, answering(answer101))}
		eachWay(t, func(t *testing.T, open way) {
			if _, err := open(&d, ctx, request); reason(err) != modern.Cancelled || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	})
}

// What broke: a cancellation just after the connection was there was undone by
// gorilla, which set the context's deadline over it. One in some hundred.
func TestDialCancelAtOnce(t *testing.T) {
	noLeaks(t)
	eachWay(t, func(t *testing.T, open way) {
		cancels := make(chan func(), 1)
		d := modern.Dialer{Address: serve(t, func(conn net.Conn) {
			(<-cancels)()
			silent(conn)
		})}
		for range 300 {
			deadline, done := context.WithTimeout(t.Context(), 10*time.Second)
			ctx, cancel := context.WithCancel(deadline)
			cancels <- cancel
			_, err := open(&d, ctx, request)
			if err == nil || deadline.Err() != nil {
				t.Fatalf("got %v, at the deadline: %v", err, deadline.Err())
			}
			done()
		}
	})
}

// A cancellation that meets the answer ends the dialling or comes too late; it
// does not leave a connection that is half ended.
func TestDialCancelAsItOpens(t *testing.T) {
	noLeaks(t)
	eachWay(t, func(t *testing.T, open way) {
		cancels := make(chan func(), 1)
		d := modern.Dialer{Address: serve(t, func(conn net.Conn) {
			io.WriteString(conn, accepting(answer101+frames, readHead(conn)))
			(<-cancels)()
		})}
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			cancels <- cancel
			b, err := open(&d, ctx, request)
			if err != nil {
				if reason(err) != modern.Cancelled {
					t.Fatal(err)
				}
				continue
			}
			if got := remainder(t, b); got != frames {
				t.Fatalf("got %q, want %q", got, frames)
			}
			b.Conn.Close()
		}
	})
}

// Once open, a connection has nothing more to do with the context: neither its
// end nor its deadline.
func TestDialContextEnds(t *testing.T) {
	noLeaks(t)
	eachWay(t, func(t *testing.T, open way) {
		within(t, func(ctx context.Context) error {
			address := serve(t, func(conn net.Conn) {
				io.WriteString(conn, accepting(answer101, readHead(conn)))
				<-ctx.Done()
				io.WriteString(conn, frames)
			})
			b, err := open(&modern.Dialer{Address: address}, ctx, request)
			if err != nil {
				return err
			}
			defer b.Conn.Close()
			<-ctx.Done()
			if got := remainder(t, b); got != frames {
				t.Errorf("got %q, want %q", got, frames)
			}
			return nil
		})
	})
}
