package inspect

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxViewers = 16
	// period is how often a page hears what is new, maxRows and maxShown how many rows, and
	// how many bytes of each side of a row, it hears at most.
	period   = 250 * time.Millisecond
	maxRows  = 200
	maxShown = 2 << 10
	// backlog is how many rows a page gets that begins to look.
	backlog = 500
	// maxChanged is how many connections a page hears of at once.
	maxChanged = 200
)

var (
	//go:embed page.html
	frame string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// page is one file, which asks for nothing but /inspect/events and /inspect/export.
var page = strings.NewReplacer("/*style*/", style, "/*script*/", script).Replace(frame)

var policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	hash(script), hash(style))

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Page answers with the page.
func (i *Inspector) Page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	fmt.Fprint(w, page)
}

// Events streams, as server-sent events, what changes: connections, and the handshake and
// rows of the one that ?connection= names. A reader that is slow or gone holds up nobody:
// each has a goroutine of its own, which looks at what is kept when the reader is ready.
func (i *Inspector) Events(w http.ResponseWriter, r *http.Request) {
	defer i.viewers.Add(-1)
	if i.viewers.Add(1) > maxViewers {
		http.Error(w, fmt.Sprintf("%d pages are looking already", maxViewers), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	id, _ := strconv.ParseInt(r.FormValue("connection"), 10, 64)
	v := &viewer{inspector: i, w: w, out: http.NewResponseController(w), conn: i.find(id)}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for v.send() == nil {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// A viewer is one page that looks.
type viewer struct {
	inspector *Inspector
	w         http.ResponseWriter
	out       *http.ResponseController
	conn      *conn // may be nil
	turn      int
	told      map[int64]int64 // of which connections, as of which number
	rows      int64           // rows as of this number
	over      bool            // the handshake was shown after the end
}

// send sends what is new: rows each time, connections every second.
func (v *viewer) send() error {
	if v.turn%4 == 0 {
		v.connections()
	}
	if v.conn != nil {
		v.connection()
	}
	v.turn++
	return v.out.Flush()
}

func (v *viewer) connection() {
	most := maxRows
	if v.turn == 0 {
		most = backlog
	}
	if over := v.conn.isOver(); v.turn == 0 || over && !v.over {
		v.over = over
		v.event("handshake", v.conn.card())
	}
	now := v.inspector.seq.Load()
	rows, leftOut := v.conn.after(v.rows, most, maxShown)
	v.rows = now
	if len(rows) > 0 {
		v.event("rows", map[string]any{"left_out": leftOut, "rows": rows})
	}
}

// connections tells of those that have changed, the ones first that the page has heard of
// longest ago or never: so it hears of all in the end.
func (v *viewer) connections() {
	i := v.inspector
	all := i.list()
	slices.Reverse(all)
	ids, told, news, changed := make([]int64, len(all)), make(map[int64]int64, len(all)), []*conn{}, []summary{}
	for n, c := range all {
		ids[n], told[c.id] = c.id, v.told[c.id]
		if c.lastChange() > told[c.id] {
			news = append(news, c)
		}
	}
	slices.SortStableFunc(news, func(a, b *conn) int { return cmp.Compare(told[a.id], told[b.id]) })
	for _, c := range news[:min(len(news), maxChanged)] {
		told[c.id] = i.seq.Load()
		changed = append(changed, c.summary())
	}
	v.told = told
	v.event("connections", map[string]any{"ids": ids, "changed": changed, "held": i.held.Load(), "memory": i.memory, "evicted": i.evicted.Load()})
}

// event writes an event. A write that fails has the next Flush fail as well.
func (v *viewer) event(name string, data any) {
	b, _ := json.Marshal(data) // which has no line ends, and nothing that cannot be encoded
	fmt.Fprintf(v.w, "event: %s\ndata: %s\n\n", name, b)
}

func (c *conn) lastChange() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Export answers with what is kept as JSON lines: for each connection, or for the one that
// ?connection= names, an object with its summary and its handshake, then one for each row,
// the oldest first. Credentials and queries are masked, but with ?secrets=1; messages are
// not.
func (i *Inspector) Export(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="ws76.jsonl"`)
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	id, _ := strconv.ParseInt(r.FormValue("connection"), 10, 64)
	out := json.NewEncoder(w)
	for _, c := range i.list() {
		if id != 0 && c.id != id {
			continue
		}
		k := c.card()
		if r.FormValue("secrets") != "1" {
			k = k.masked()
		}
		if out.Encode(exported{summary: c.summary(), Handshake: &k}) != nil {
			return
		}
		rows, _ := c.after(-1, math.MaxInt, maxWire)
		for _, row := range rows {
			if out.Encode(exportedRow{c.id, row}) != nil {
				return
			}
		}
	}
}

// An exported is the first line of a connection, an exportedRow each further one.
type exported struct {
	summary
	Handshake *card `json:"handshake"`
}

type exportedRow struct {
	ID int64 `json:"connection"`
	row
}
