package selftest

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/logging"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/proxies"
)

// Explain prints what a code says, and what to change. The error says why it is no code.
func Explain(code string, w io.Writer) error {
	f, err := Decode(code)
	if err != nil {
		return err
	}
	for at, known := range fields {
		if word := f.word(field(at)); word != "" {
			fmt.Fprintf(w, "  %-28s %s\n", known.about, word)
		}
	}
	troubles := f.troubles()
	for _, t := range troubles {
		fmt.Fprintf(w, "\n  %s.\n", t.meaning)
		if t.change != "" {
			fmt.Fprintf(w, "    change: %s\n", strings.ReplaceAll(t.change, "\n", "\n      "))
		}
	}
	if len(troubles) == 0 {
		fmt.Fprint(w, "\n  Everything works.\n")
	}
	return nil
}

// A trouble is something that does not work, and what to change; empty if it is not known.
type trouble struct{ meaning, change string }

// What fixes more than one trouble.
const (
	named   = "let the page do without a subprotocol, or the proxy pass Sec-WebSocket-Protocol both ways"
	carry   = "a proxy on the way that changes or stops the messages"
	escape  = "let page and app escape them, as encodeURIComponent does, or leave them out"
	smaller = "let page and app send smaller messages; WS76_MAX_MESSAGE, if it is less"
)

// simple are troubles that one of some words tells.
var simple = []struct {
	at            field
	words, change string
}{
	{oneByte, "wrong missing", carry},
	{twoBytes, "wrong missing", escape},
	{threeBytes, "wrong missing", escape},
	{fourBytes, "wrong missing", escape},
	{large, "wrong missing", smaller},
	{hundred, "wrong missing", carry},
	{closing, "no event", "do not let the page wait for onclose"},
	{oneProtocol, "throws", "let the page call new WebSocket(url) when the second argument has thrown"},
	{protocolList, "throws", "let the page call new WebSocket(url, 'name') when the list has thrown, then new WebSocket(url)"},
	{oneProtocol, "fails", named},
	{protocolList, "fails", named},
	{ownPath, "failed", "the app, or the path: the log of ws76 has the reason"},
}

func (f Findings) troubles() []trouble {
	if f.word(api) == "none" {
		return []trouble{{"the browser has no WebSocket", "let the page do without, for example with requests that wait (long polling)"}}
	}
	if t := f.openingTrouble(); t != (trouble{}) {
		return []trouble{t}
	}
	var all []trouble
	for _, s := range simple {
		if word := f.word(s.at); word != "" && strings.Contains(s.words, word) {
			all = append(all, trouble{fields[s.at].about + ": " + word, s.change})
		}
	}
	return all
}

// openingTrouble is about the handshake: what a proxy did to it, why ws76 refused it, or
// that nothing came. It is empty if the connection opened as it should.
func (f Findings) openingTrouble() trouble {
	recipe := proxies.RecipeFor(f.word(proxy))
	damage, reason := proxies.Fault(f.word(fault)), translate.Reason(f.word(refusal))
	switch {
	case damage != "":
		return trouble{cmp.Or(damage.Doubt(), damage.Meaning()), recipe.Against(damage)}
	case f.word(opening) == "opened", f.word(opening) == "":
		return trouble{}
	case f.word(opening) == "throws":
		return trouble{"new WebSocket(url) throws in this browser", "open the page with the scheme and host that the app has"}
	case reason.Description() != "":
		return trouble{reason.Description(), logging.RemedyFor(string(reason))}
	case f.word(dialect) == "":
		return trouble{"nothing of the handshake reached ws76: a proxy on the way refuses or swallows it", recipe.Pass}
	}
	return trouble{"the response did not reach the browser, or it did not accept it", recipe.Host}
}
