package translate_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// A head of which the first part comes with the request before it is whole. It
// was only what came behind the answer, and a client could choose that to look
// like a request of its own.
func TestHeadBegunWithTheRequestBefore(t *testing.T) {
	const later = "OPTIONS /second HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	both := "OPTIONS /second HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX: " + later
	for id, first := range map[string]string{
		"no body":   "OPTIONS /first HTTP/1.1\r\nHost: h\r\n\r\n",
		"body":      "OPTIONS /first HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
		"long body": "OPTIONS /first HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("b", 9000),
		"chunks":    "OPTIONS /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
	} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(first + strings.TrimSuffix(both, later))
			answerWhole(t, r)
			if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.Close {
				t.Fatalf("answer %+v, %v", resp, err)
			}
			c.say(later)
			if id != "chunks" { // behind which no head is known
				checkRefusal(t, c, 400, translate.AmbiguousFraming)
				return
			}
			answerWhole(t, r)
			if resp, err := http.ReadResponse(c.br, nil); err != nil || !resp.Close {
				t.Errorf("answer %+v, %v; want one that ends the connection", resp, err)
			}
		})
	}
}

// answerWhole answers a request when it has come with its body.
func answerWhole(t *testing.T, r *rig) {
	t.Helper()
	b := r.backend.next()
	if _, err := io.Copy(io.Discard, b.request.Body); err != nil {
		t.Fatal(err)
	}
	b.say("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
}

// The raw head of a pipelined handshake is known: its folded line is refused.
func TestPipelinedHead(t *testing.T) {
	for id, cut := range map[string]int{"at once": 0, "in its method": 2, "in its fold": strings.Index(with(head75, "X: a\r\n b\r\n"), "\n b") + 1} {
		t.Run(id, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			second := with(head75, "X: a\r\n b\r\n")
			c.say("OPTIONS /first HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok" + second[:cut])
			answerWhole(t, r)
			if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.StatusCode != http.StatusNoContent {
				t.Fatalf("answer %+v, %v", resp, err)
			}
			c.say(second[cut:])
			checkRefusal(t, c, 400, "folded-head")
			r.refused(legacy.Hixie75, "folded-head")
		})
	}
}

// Line ends behind the body of a POST are not of the next head, if they are no
// more than net/http passes over. They shifted what each raw head belonged to by
// one request.
func TestHeadBehindLineEnds(t *testing.T) {
	const form = "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok"
	for _, blank := range []string{"\r\n", "\n", "\r\n\r\n"} {
		for cut := range len(blank) + 1 {
			t.Run(fmt.Sprintf("%q-%d", blank, cut), func(t *testing.T) {
				r := newRig(t)
				c := r.dial()
				c.say(form + blank[:cut])
				answerWhole(t, r)
				if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.StatusCode != http.StatusNoContent {
					t.Fatalf("answer %+v, %v", resp, err)
				}
				c.say(blank[cut:] + with(head75, "X: a\r\n b\r\n"))
				checkRefusal(t, c, 400, "folded-head")
			})
		}
	}
}
