package probe

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// An attempt is one kind of client. A write of it that fails is passed over:
// what the other side had to say of it comes as the answer, or as its end.
type attempt struct {
	name string
	run  func(*Prober, *wire) Result
}

var attempts = []attempt{
	{"76", func(p *Prober, w *wire) Result { return p.hixie76(w, together) }},
	{"76-split", func(p *Prober, w *wire) Result { return p.hixie76(w, split) }},
	{"76-declared", func(p *Prober, w *wire) Result { return p.hixie76(w, declared) }},
	{strict75, func(p *Prober, w *wire) Result { return p.hixie75(w, true) }},
	{"75-lax", func(p *Prober, w *wire) Result { return p.hixie75(w, false) }},
	{"8", func(p *Prober, w *wire) Result { return p.hybi(w, "8", "Sec-WebSocket-Origin") }},
	{rfc6455, func(p *Prober, w *wire) Result { return p.hybi(w, "13", "Origin") }},
	{"http", (*Prober).plain},
}

// Names of attempts that decide what to advise.
const (
	strict75 = "75-strict"
	rfc6455  = "13"
)

// A sending is how a -76 client sends key3.
type sending int

const (
	together sending = iota // in one segment with the head, as WebKit does
	split                   // in a segment of its own, as browsers on Windows do
	declared                // as Content-Length: 8, as libraries do that know of proxies
)

// patience is how long key3 is kept back in a split handshake. It comes before
// the 101 then, if it must: a server that asks for it first is to be told from
// a proxy that asks for the 101 first.
const patience = 300 * time.Millisecond

func (p *Prober) hixie76(w *wire, how sending) Result {
	r := p.request(legacy.Hixie76)
	r.Declare = how == declared
	note := sendKeys(w, r, how)
	a, failed := w.upgrade("")
	if a == nil {
		if failed.Outcome == Timeout && !w.begun {
			failed.Outcome = Held
		}
		return failed
	}
	if wrong := challenge(w, r); wrong != "" {
		return Result{Outcome: Lost, Detail: wrong, Proxy: a.Proxy()}
	}
	result := a.compare(r)
	if result.Outcome == Works && note != "" {
		result.Detail = note
	}
	p.exchange(w, legacyTalk(w, legacy.Hixie76), &result)
	w.leave(legacy.AppendClose(nil))
	return result
}

// sendKeys sends the handshake and its key3. The note is what can be learnt
// from sending them apart.
func sendKeys(w *wire, r *legacy.Request, how sending) (note string) {
	if how != split {
		w.Write(r.Append(nil))
		return ""
	}
	w.Write(r.AppendHead(nil))
	if !w.awaitAnswer(patience) {
		note = "but the 101 came only after key3; a proxy that holds key3 until the 101 would wait for ever"
	}
	w.Write(r.Key3[:])
	return note
}

// challenge reads the 16 bytes that prove that the server has key3, and says
// what is wrong with them.
func challenge(w *wire, r *legacy.Request) (wrong string) {
	var got [16]byte
	if n, err := io.ReadFull(w.br, got[:]); err != nil {
		return fmt.Sprintf("after the head of the 101, %d of the 16 bytes of the challenge response, then %s", n, reach.Ending(err))
	}
	if want, _ := r.ChallengeResponse(); got != want {
		return fmt.Sprintf("challenge response %x, not %x", got, want)
	}
	return ""
}

func (p *Prober) hixie75(w *wire, strict bool) Result {
	r := p.request(legacy.Hixie75)
	w.Write(r.Append(nil))
	a, failed := w.upgrade("")
	if a == nil {
		return failed
	}
	result := a.compare(r)
	if lines, same := a.firstLines(); strict && !same {
		result = Result{Outcome: Changed, Detail: lines, Proxy: a.Proxy()}
	}
	p.exchange(w, legacyTalk(w, legacy.Hixie75), &result)
	w.leave(nil)
	return result
}

// hybi is the handshake of RFC 6455, which hybi-07 and later drafts share but
// for the field of the origin.
func (p *Prober) hybi(w *wire, version, originField string) Result {
	r := p.request(legacy.RFC6455)
	var nonce [16]byte
	rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	fields := fmt.Sprintf("Upgrade: websocket\r\nConnection: Upgrade\r\n%s: %s\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: %s\r\n", originField, r.Origin, key, version)
	if r.Protocol != "" {
		fields += "Sec-WebSocket-Protocol: " + r.Protocol + "\r\n"
	}
	w.get(r, fields)
	a, failed := w.upgrade(version)
	if a == nil {
		return failed
	}
	result := Result{Outcome: Works, Proxy: a.Proxy()}
	if result.Detail = a.checkAccept(key, r.Protocol); result.Detail != "" {
		result.Outcome = Changed
	}
	p.exchange(w, modernTalk(w), &result)
	w.leave(modern.AppendClose(nil, modern.NormalClosure, modern.NewKey()))
	return result
}

// checkAccept says what is wrong with a 101 of RFC 6455 (section 4.1).
func (a *answer) checkAccept(key, protocol string) (wrong string) {
	want := modern.AcceptKey(key)
	selected, offered := a.field("Sec-WebSocket-Protocol"), strings.Split(strings.ReplaceAll(protocol, " ", ""), ",")
	switch {
	case !strings.EqualFold(a.field("Upgrade"), "websocket"):
		return a.differs("Upgrade", "websocket")
	case !strings.Contains(strings.ToLower(a.field("Connection")), "upgrade"): // a list
		return a.differs("Connection", "Upgrade")
	case a.field("Sec-WebSocket-Accept") != want:
		return a.differs("Sec-WebSocket-Accept", want)
	case a.field("Sec-WebSocket-Extensions") != "":
		return a.differs("Sec-WebSocket-Extensions", "")
	case selected != "" && !slices.Contains(offered, selected):
		return a.differs("Sec-WebSocket-Protocol", protocol)
	}
	return ""
}

// plain is a plain request: it works if the app is reached, whatever it answers.
func (p *Prober) plain(w *wire) Result {
	r := p.request(legacy.HTTP)
	w.get(r, "Connection: close\r\n")
	a, failed := w.answer()
	switch {
	case a == nil:
		return failed
	case a.cut == nil && !a.instead():
		return Result{Outcome: Works, Detail: a.summary(), Proxy: a.Proxy()}
	case a.cut == nil:
		return a.refusal("")
	}
	result := Result{Outcome: RefusedByApp, Detail: fmt.Sprintf("%s, whose body broke off: %s", a.summary(), reach.Ending(a.cut)), Proxy: a.Proxy()}
	if reach.IsTimeout(a.cut) {
		result.Outcome = Timeout
	}
	return result
}
