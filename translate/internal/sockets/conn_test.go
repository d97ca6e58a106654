package sockets

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/translate/wiretest"
)

// A side that takes a little now and then is not one that takes nothing,
// whether it makes room or only acknowledges.
func TestConnMeasuresProgress(t *testing.T) {
	const timeout = 10 * time.Second
	for name, take := range map[string]func(w *wiretest.Wire){
		"makes room":   func(w *wiretest.Wire) { w.Take(1) },
		"acknowledges": func(w *wiretest.Wire) { w.Acknowledge(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := wiretest.New()
				far.Acknowledge(-wiretest.Size)
				conn := New(near, timeout)
				var n int
				var err error
				over := time.Time{}
				go func() {
					n, err = conn.Write(make([]byte, 2*wiretest.Size))
					over = time.Now()
				}()
				began := time.Now()
				for range 100 {
					time.Sleep(timeout - 1)
					take(far)
				}
				last := time.Now()
				time.Sleep(3 * timeout)
				synctest.Wait()
				if !errors.Is(err, os.ErrDeadlineExceeded) || n < wiretest.Size || n > wiretest.Size+100 {
					t.Fatalf("wrote %d bytes, %v, want a timeout", n, err)
				}
				if took := over.Sub(last); took < timeout || took > 2*timeout {
					t.Errorf("gave up %v after the last byte moved, which was after %v", took, last.Sub(began))
				}
			})
		})
	}
}

// The caller's own limit holds whatever moves, and for a Write that waits.
func TestConnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := wiretest.New()
		conn := New(near, 10*time.Second)
		began := time.Now()
		go func() {
			for range 100 {
				time.Sleep(time.Second)
				far.Take(1)
			}
		}()
		time.AfterFunc(5*time.Second, func() { conn.SetWriteDeadline(began.Add(20*time.Second + 1)) })
		n, err := conn.Write(make([]byte, 2*wiretest.Size))
		if got := time.Since(began); got != 20*time.Second+1 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d bytes, %v, after %v", n, err, got)
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the limit: %v", err)
		}
		conn.SetWriteDeadline(time.Time{})
		far.Take(wiretest.Size)
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Errorf("without the limit: %v", err)
		}
		time.Sleep(100 * time.Second)
	})
}

// After a timeout every later write of a tls.Conn fails: below it one that
// resumes carries everything.
func TestConnBelowTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	server.Close()
	synctest.Test(t, func(t *testing.T) {
		near, far := wiretest.New()
		secure := tls.Server(New(near, time.Second), &tls.Config{Certificates: server.TLS.Certificates})
		client := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
		go client.Handshake()
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("slow but steady ", 64<<10)
		done := make(chan error, 1)
		go func() {
			_, err := io.WriteString(secure, text)
			secure.CloseWrite()
			done <- err
		}()
		var got strings.Builder
		for buf := make([]byte, 32<<10); ; {
			time.Sleep(250 * time.Millisecond)
			n, err := client.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				break
			}
		}
		if err := <-done; err != nil || got.String() != text {
			t.Errorf("%d of %d bytes came, %v", got.Len(), len(text), err)
		}
	})
}

// Above TLS, which takes nothing more after a deadline, a pause that is shorter than the
// timeout ends nothing and leaves no deadline, and one that is as long does.
func TestConnAboveTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	server.Close()
	synctest.Test(t, func(t *testing.T) {
		near, far := wiretest.New()
		conn := New(tls.Server(near, &tls.Config{Certificates: server.TLS.Certificates}), time.Second)
		client := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
		done := make(chan error, 1)
		write := func() {
			_, err := conn.Write(make([]byte, 2*wiretest.Size))
			done <- err
		}
		go write()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second - 1)
		if n, err := io.CopyN(io.Discard, client, 2*wiretest.Size); err != nil {
			t.Errorf("%d bytes came, %v", n, err)
		}
		if err := <-done; err != nil {
			t.Errorf("a pause that is shorter than the timeout: %v", err)
		}
		if soft := conn.(*Conn).until.soft; !soft.IsZero() {
			t.Errorf("a deadline is left: %v", soft)
		}
		began := time.Now()
		go write()
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// A write that waited leaves its deadline, which must not end a later one.
func TestConnAfterAWait(t *testing.T) {
	near, far := wiretest.TCP(t)
	const timeout = 80 * time.Millisecond
	conn := New(near, timeout)
	done := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, 16<<20)) // more than the kernel takes
		done <- err
	}()
	if n, err := io.CopyN(io.Discard, far, 16<<20); err != nil {
		t.Fatal(n, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for c := conn.(*Conn); ; time.Sleep(timeout / 8) {
		if c.until == nil {
			t.Fatal("the write has not waited")
		}
		if time.Since(c.until.soft) > 0 {
			break
		}
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Errorf("after the deadline of an earlier write: %v", err)
	}
}

// A connection that has a write timeout gets no second one, and what is asked of
// the socket reaches it.
func TestConnOnce(t *testing.T) {
	near, far := wiretest.TCP(t)
	conn := New(near, time.Second)
	if again := New(conn, time.Hour); again != conn {
		t.Error("a second timeout")
	}
	secure := tls.Server(conn, &tls.Config{})
	if again := New(secure, time.Hour); again != secure {
		t.Error("a second timeout above TLS")
	}
	if Innermost(secure) != near || Raw(conn) == nil {
		t.Error("the socket is not found")
	}
	if n, err := conn.Write([]byte("hello")); n != 5 || err != nil {
		t.Error(n, err)
	}
	conn.(*Conn).CloseWrite()
	if got, err := io.ReadAll(far); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	conn.Close()
	if _, err := conn.Write([]byte("hello")); err == nil {
		t.Error("a closed connection takes bytes")
	}
	near2, _ := wiretest.New()
	if raw := Raw(New(near2, time.Second)); raw != nil {
		t.Error("a connection in memory has a socket")
	}
}
