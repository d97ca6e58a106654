package translate

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
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
