package probe

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

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
		return Result{Outcome: Lost, Detail: wrong, Front: a.front()}
	}
	result := a.compare(r)
	if result.Outcome == Works && note != "" {
		result.Detail = note
	}
	w.leave(legacy.AppendClose(nil))
	return result
}

// sendKeys sends the handshake and its key3. The note is what can be learnt
// from sending them apart.
func sendKeys(w *wire, r *legacy.Request, how sending) (note string) {
	head := r.AppendHead(nil)
	if how != split {
		w.Write(append(head, r.Key3[:]...))
		return ""
	}
	w.Write(head)
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
		return fmt.Sprintf("after the head of the 101, %d of the 16 bytes of the challenge response, then %s", n, ending(err))
	}
	key1, _ := legacy.ParseKey(r.Key1)
	key2, _ := legacy.ParseKey(r.Key2)
	if want := legacy.Response(key1, key2, r.Key3); got != want {
		return fmt.Sprintf("challenge response %x, not %x", got, want)
	}
	return ""
}

func (p *Prober) hixie75(w *wire, strict bool) Result {
	r := p.request(legacy.Hixie75)
	w.Write(r.AppendHead(nil))
	a, failed := w.upgrade("")
	if a == nil {
		return failed
	}
	result := a.compare(r)
	if lines, same := a.firstLines(); strict && !same {
		result = Result{Outcome: Changed, Detail: lines, Front: a.front()}
	}
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
	head := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"%s: %s\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: %s\r\n", r.Resource, r.Host, originField, r.Origin, key, version)
	if r.Protocol != "" {
		head = fmt.Appendf(head, "Sec-WebSocket-Protocol: %s\r\n", r.Protocol)
	}
	w.Write(append(head, "\r\n"...))
	a, failed := w.upgrade(version)
	if a == nil {
		return failed
	}
	result := Result{Outcome: Works, Front: a.front()}
	if result.Detail = a.checkAccept(key, r.Protocol); result.Detail != "" {
		result.Outcome = Changed
	}
	w.leave(modern.AppendClose(nil, modern.NormalClosure, modern.NewKey()))
	return result
}

// checkAccept says what is wrong with a 101 of RFC 6455 (section 4.1).
func (a *answer) checkAccept(key, protocol string) (wrong string) {
	want := modern.Accept(key)
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
	fmt.Fprintf(w, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", r.Resource, r.Host)
	a, failed := w.answer()
	switch {
	case a == nil:
		return failed
	case a.cut == nil && !a.instead():
		return Result{Outcome: Works, Detail: a.summary(), Front: a.front()}
	case a.cut == nil:
		return a.refusal("")
	}
	result := Result{Outcome: RefusedByApp, Detail: fmt.Sprintf("%s, whose body broke off: %s", a.summary(), ending(a.cut)), Front: a.front()}
	if isTimeout(a.cut) {
		result.Outcome = Timeout
	}
	return result
}
