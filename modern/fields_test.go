package modern_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/ws76/ws76/modern"
)

// A 101 may name what it does not select. What broke: the backend was refused.
func TestOpenEmptySelection(t *testing.T) {
	noLeaks(t)
	for _, field := range []string{"Sec-WebSocket-Protocol:", "Sec-WebSocket-Extensions: ", "Sec-WebSocket-Protocol:  "} {
		t.Run(field, func(t *testing.T) {
			address := serve(t, answering(plus(answer101, field)))
			eachWay(t, func(t *testing.T, open way) {
				if b := mustOpen(t, open, &modern.Dialer{Address: address}, request); b.Protocol != "" {
					t.Errorf("the subprotocol is %q", b.Protocol)
				}
			})
		})
	}
}

func TestRepairNames(t *testing.T) {
	for _, test := range []struct{ h, want http.Header }{
		{http.Header{"A": {"1"}}, http.Header{"A": {"1"}}},
		{http.Header{"set-cookie ": {"a=1"}, "Set-Cookie": {"b=2"}}, http.Header{"Set-Cookie": {"b=2", "a=1"}}},
		{http.Header{"x  ": {"1", "2"}}, http.Header{"X": {"1", "2"}}},
		{http.Header{"content-length ": {"1"}}, nil},
		{http.Header{"Transfer-Encoding ": {"chunked"}}, nil},
		{http.Header{"a b": {"1"}}, nil},
	} {
		h := test.h.Clone()
		if err := modern.RepairNames(h); (err == nil) != (test.want != nil) || err == nil && !reflect.DeepEqual(h, test.want) {
			t.Errorf("%v became %v, %v, want %v", test.h, h, err, test.want)
		}
	}
}

func TestSpellFields(t *testing.T) {
	got := modern.SpellFields(http.Header{"Sec-Websocket-Key": {"k"}, "Origin": {"o"}, "Websocket-Origin": {"w"}})
	want := http.Header{"Sec-WebSocket-Key": {"k"}, "Origin": {"o"}, "Websocket-Origin": {"w"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
