package response

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// backendResponse is a response as modern returns it.
func backendResponse(t *testing.T, text string) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// What a client gets of a backend's response, on a connection that ends with it.
func TestRelayed(t *testing.T) {
	large := strings.Repeat("x", maxBody)
	for _, tt := range []struct {
		name, from string
		legacy     bool
		want       string // "text" is the caller's
	}{
		{"short", "404 Not Found\r\nContent-Length: 2\r\n\r\nno", true, "404 Not Found\r\nConnection: close\r\nContent-Length: 16\r\n\r\nno" + strings.Repeat(" ", 14)},
		{"short modern", "404 Not Found\r\nContent-Length: 2\r\n\r\nno", false, "404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"},
		{"chunks", "404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", true, "404 Not Found\r\nConnection: close\r\nContent-Length: 16\r\n\r\nno" + strings.Repeat(" ", 14)},
		{"chunks modern", "404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", false, "404 Not Found\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"},
		{"largest", "500 X\r\nContent-Length: 65536\r\n\r\n" + large, true, "500 X\r\nConnection: close\r\nContent-Length: 65536\r\n\r\n" + large},
		{"too large", "500 X\r\nContent-Length: 70000\r\n\r\n" + large + large, true, "500 X\r\nConnection: close\r\nContent-Length: 70000\r\n\r\n" + large},
		{"too large, in chunks", "500 X\r\n\r\n" + large + "y", true, "500 X\r\nConnection: close\r\nContent-Length: 65537\r\n\r\n" + large},
		{"broken off", "500 X\r\nContent-Length: 20\r\n\r\nabc", true, "500 X\r\nConnection: close\r\nContent-Length: 20\r\n\r\nabc"},
		{"empty", "403 Session expired\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", true, "403 Session expired\r\nConnection: close\r\nContent-Length: 4\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ntext"},
		{"empty modern", "403 Session expired\r\nContent-Length: 0\r\n\r\n", false, "403 Session expired\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{"no content", "204 No Content\r\nEtag: 1\r\n\r\n", true, "204 No Content\r\nConnection: close\r\nEtag: 1\r\n\r\n"},
		{"not modified", "304 Not Modified\r\nContent-Type: text/html\r\n\r\n", true, "304 Not Modified\r\nConnection: close\r\n\r\n"},
		{"hop by hop", "503 X\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: 1\r\nSec-Websocket-Version: 13\r\nContent-Length: 16\r\n\r\n0123456789abcdef", true, "503 X\r\nConnection: close\r\nContent-Length: 16\r\nSec-WebSocket-Version: 13\r\n\r\n0123456789abcdef"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Relay(backendResponse(t, "HTTP/1.1 "+tt.from), tt.legacy)
			if r.Body == nil {
				r.SetText("text")
			}
			var out bytes.Buffer
			r.Write(&out, time.Second)
			if got := out.String(); got != "HTTP/1.1 "+tt.want {
				t.Errorf("got %.300q\nwant %.300q", got, "HTTP/1.1 "+tt.want)
			}
			if cut := strings.HasPrefix(tt.name, "too large") || tt.name == "broken off"; r.Cut != cut {
				t.Errorf("cut: %t", r.Cut)
			}
		})
	}
}

// A reason phrase with control characters does not go on.
func TestPhrase(t *testing.T) {
	for status, want := range map[string]string{"403 Session expired": "Session expired", "403": "", "403 a\x07b": "", "403 a\tb": "", "403 é": "é"} {
		if got := phraseOf(&http.Response{Status: status}); got != want {
			t.Errorf("%q: %q, want %q", status, got, want)
		}
	}
}

// The gateway's own text; its fields are a copy.
func TestSetText(t *testing.T) {
	header := http.Header{"Retry-After": {"1"}}
	r := &Response{Status: 503, Header: header}
	r.SetText("why")
	var out bytes.Buffer
	if err := r.Write(&out, time.Second); err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 3\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n\r\nwhy"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(header) != 1 {
		t.Errorf("the caller's fields are %v", header)
	}
}

// On a connection that goes on nothing is guessed, and what breaks off is an error.
func TestRespond(t *testing.T) {
	for _, tt := range []struct {
		from, contentType, length, body string
		fails                           bool
	}{
		{"401 X\r\nContent-Length: 6\r\n\r\n<html>", "", "6", "<html>", false},
		{"401 X\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "a/b", "", "no", false},
		{"401 X\r\nContent-Length: 6\r\n\r\nabc", "", "6", "abc", true},
		{"304 X\r\n\r\n", "", "", "", false},
	} {
		w := httptest.NewRecorder()
		err := Relay(backendResponse(t, "HTTP/1.1 "+tt.from), false).Respond(w, time.Second)
		if (err != nil) != tt.fails {
			t.Errorf("%q: %v", tt.from, err)
		}
		resp := w.Result()
		body, _ := io.ReadAll(resp.Body)
		if got := resp.Header.Get("Content-Type"); got != tt.contentType || resp.Header.Get("Content-Length") != tt.length || string(body) != tt.body {
			t.Errorf("%q: type %q, length %q, body %q", tt.from, got, resp.Header.Get("Content-Length"), body)
		}
	}
}

// A body of no bytes is said to be empty: nobody waits for a chunk.
func TestRespondEmpty(t *testing.T) {
	resp := backendResponse(t, "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")
	resp.Body = io.NopCloser(resp.Body) // of a connection, as modern hands it out
	w := httptest.NewRecorder()
	if err := Relay(resp, false).Respond(w, time.Second); err != nil || w.Body.Len() > 0 {
		t.Errorf("got %q, %v", w.Body, err)
	}
	if got := w.Result().Header["Content-Length"]; len(got) != 1 || got[0] != "0" {
		t.Errorf("length %q, want 0", got)
	}
}

// A connection that has no half to end is drained all the same, for a second and no longer.
func TestDrainWithoutHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		began := time.Now()
		go io.WriteString(far, "what a client still sends")
		Drain(near)
		if got := time.Since(began); got != drainTimeout {
			t.Errorf("drained for %v, want %v", got, drainTimeout)
		}
	})
}

// What a client sends without end is not read without end.
func TestDrainOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		sent := make(chan int)
		go func() {
			n, _ := far.Write(make([]byte, 2*maxDrain))
			sent <- n
		}()
		Drain(near)
		near.Close()
		if n := <-sent; n != maxDrain {
			t.Errorf("%d bytes are read, want %d", n, maxDrain)
		}
	})
}
