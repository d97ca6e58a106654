package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A gateway is ready while its backend can be connected to, asked at most once a
// second.
func TestReadyKnowsTheBackend(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan struct{}, 16)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
			accepted <- struct{}{}
		}
	}()
	a := &admin{backend: backendCheck{dialer: modern.Dialer{Address: ln.Addr().String()}}}
	ask := func(status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		a.readyz(w, nil)
		if w.Code != status || !strings.HasPrefix(w.Body.String(), body) {
			t.Errorf("%d %q, want %d %q", w.Code, w.Body, status, body)
		}
	}
	stale := func() { a.backend.asked = a.backend.asked.Add(-backendFresh) }
	ask(http.StatusOK, "ok\n")
	<-accepted
	ask(http.StatusOK, "ok\n")
	ln.Close()
	ask(http.StatusOK, "ok\n") // as it was a moment ago
	if len(accepted) > 0 {
		t.Error("the backend was asked more than once")
	}
	stale()
	ask(http.StatusServiceUnavailable, "WS76_BACKEND: dial backend: the backend cannot be connected to (backend-unreachable): ")
	a.notReady()
	ask(http.StatusServiceUnavailable, "draining: ")
}

// /census is the page of the admin port, with what the gateway has counted.
func TestCensusPage(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_DIALECTS=75,76")
	g.open(legacy.Hixie76, "/census")
	if status, text := get(t, "http://"+admin+"/census"); status != 200 || !strings.Contains(text, "\nIn use: 76.") || !strings.Contains(text, "\nNot seen: 75.") {
		t.Errorf("%d\n%s", status, text)
	}
}
