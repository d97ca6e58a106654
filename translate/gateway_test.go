package translate

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/diagnosis"
	"github.com/ws76/ws76/translate/proxies"
)

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// A backend may have refused a client that has left at the same time. Its
// connection stayed open then.
func TestRefusalForNobodyIsClosed(t *testing.T) {
	body := &closing{}
	refused := &modern.RefusedError{Response: &http.Response{StatusCode: 401, Body: body}}
	g := New(Options{})
	g.dialFailed(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), legacy.Hixie75, refused, true)
	if !body.closed {
		t.Error("the answer of the backend is not closed")
	}
	if n := g.Stats().Refused[Refused{legacy.Hixie75, ClientLeft}]; n != 1 {
		t.Errorf("refused %v", g.Stats().Refused)
	}
}

// Each damaged handshake is counted. It is logged once a minute, because a proxy damages
// all that come.
func TestDamageIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g := New(Options{Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
		held := diagnosis.Diagnosis{Fault: proxies.Held, Proven: true}
		for i, lines := range []int{1, 1, 2} {
			if i == 2 {
				time.Sleep(time.Minute)
			}
			if damage := g.diagnose(held, "nginx", "192.0.2.1:5"); damage != held.By("nginx") {
				t.Errorf("diagnosed %+v", damage)
			}
			if got := bytes.Count(log.Bytes(), []byte("handshake damaged on the way")); got != lines {
				t.Errorf("%d lines after %d handshakes, want %d", got, i+1, lines)
			}
		}
		if got := g.Stats().Faults[proxies.Held]; got != 3 {
			t.Errorf("counted %d, want 3", got)
		}
	})
}
