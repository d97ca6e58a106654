package translate_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// A TRACE or OPTIONS passes as many proxies as it says, of which this is one.
func TestMaxForwards(t *testing.T) {
	address := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header["Max-Forwards"])
	}, nil)
	for _, tt := range []struct {
		method, field string
		status        int
		body          string
	}{
		{"OPTIONS", "Max-Forwards: 0", 204, ""},
		{"OPTIONS", "Max-Forwards: 1", 200, `["0"]`},
		{"OPTIONS", "X: y", 200, "[]"},
		{"OPTIONS", "Max-Forwards: -1", 200, `["-1"]`},
		{"TRACE", "Max-Forwards: 0", 501, ""},
		{"TRACE", "Max-Forwards: 10", 200, `["9"]`},
		{"GET", "Max-Forwards: 0", 200, `["0"]`},
	} {
		conn := dialTCP(t, address)
		fmt.Fprintf(conn, "%s /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n\r\n", tt.method, tt.field)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); resp.StatusCode != tt.status || string(body) != tt.body || err != nil {
			t.Errorf("%s, %s: %d %q, %v; want %d %q", tt.method, tt.field, resp.StatusCode, body, err, tt.status, tt.body)
		}
	}
}
