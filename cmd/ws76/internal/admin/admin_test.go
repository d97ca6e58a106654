package admin

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/check"
	"github.com/ws76/ws76/modern"
)

// A gateway is ready while its backend can be connected to and it does not drain.
func TestReadyKnowsTheBackend(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	server := func(address string) *Server {
		return &Server{backend: check.NewMonitor(modern.Dialer{Address: address}, hclog.NewNullLogger())}
	}
	ask := func(s *Server, status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.readyz(w, nil)
		if w.Code != status || !strings.HasPrefix(w.Body.String(), body) {
			t.Errorf("%d %q, want %d %q", w.Code, w.Body, status, body)
		}
	}
	s := server(ln.Addr().String())
	ask(s, http.StatusOK, "ok\n")
	s.NotReady()
	ask(s, http.StatusServiceUnavailable, "draining: ")
	ln.Close()
	ask(server(ln.Addr().String()), http.StatusServiceUnavailable, "WS76_BACKEND: dial backend: ")
}
