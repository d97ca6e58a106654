package selftest

import (
	"bufio"
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/proxies"
)

// maxRecords is how many tests are remembered; the oldest go first.
const maxRecords = 256

// ids are what a page calls its test.
var ids = regexp.MustCompile(`^[0-9a-z]{8,16}$`)

// records are what was seen of the handshakes of the latest tests. A page names its test
// by an id in the query of its handshake.
type records struct {
	mu     sync.Mutex
	latest [maxRecords]record
	next   int // is overwritten next
}

type record struct {
	id string
	Findings
	key3Wait time.Duration
}

// at is the record of an id; nil if there is none.
func (r *records) at(id string) *record {
	n := slices.IndexFunc(r.latest[:], func(known record) bool { return known.id == id })
	if n < 0 || id == "" {
		return nil
	}
	return &r.latest[n]
}

// change changes the record of an id, which may be new.
func (r *records) change(id string, change func(*record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.at(id)
	if found == nil && ids.MatchString(id) {
		found = &r.latest[r.next]
		*found, r.next = record{id: id}, (r.next+1)%maxRecords
	}
	if found != nil {
		change(found)
	}
}

// get is a copy of the record of an id; the zero record if there is none.
func (r *records) get(id string) (copied record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.at(id); found != nil {
		copied = *found
	}
	return copied
}

// Handshake notes what arrived of a test's opening handshake.
func (t *Test) Handshake(x *translate.Exchange) translate.Tap {
	var next translate.Tap
	if t.next != nil {
		next = t.next.Handshake(x)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(x.Request)))
	if err != nil {
		return next
	}
	id := r.FormValue("id")
	t.records.change(id, func(seen *record) { seen.arrived(r, x) })
	if x.Reason != "" {
		return nil
	}
	return &tap{next, t, id}
}

// arrived notes an Exchange, whose request is r.
func (f *record) arrived(r *http.Request, x *translate.Exchange) {
	f.set(dialect, x.Dialect.String())
	f.set(proxy, proxies.FromRequest(r, x.Request))
	f.set(fault, string(x.Damage.Fault))
	if x.Reason != "" && !f.set(refusal, string(x.Reason)) {
		f.set(refusal, "other")
	}
	f.key3Wait = x.Key3Wait
	switch {
	case x.Reason == legacy.Key3Timeout || x.Reason == legacy.Key3Missing:
		f.set(key3, "never")
	case x.Key3 == nil:
	case x.Key3Wait == 0:
		f.set(key3, "with the head")
	case x.Key3Wait < time.Second:
		f.set(key3, "within 1 s")
	default:
		f.set(key3, "later")
	}
}

// A tap notes what the end of a connection says about its handshake.
type tap struct {
	next translate.Tap // may be nil
	test *Test
	id   string
}

// Bytes passes on what the next observer is to see.
func (t *tap) Bytes(side translate.Side, written bool, b []byte) {
	if t.next != nil {
		t.next.Bytes(side, written, b)
	}
}

// Closed notes a fault that showed at the end only.
func (t *tap) Closed(e translate.End, d translate.Damage) {
	if d.Fault != "" {
		t.test.records.change(t.id, func(f *record) { f.set(fault, string(d.Fault)) })
	}
	if t.next != nil {
		t.next.Closed(e, d)
	}
}
