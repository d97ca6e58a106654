package session

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/codec"
	"github.com/ws76/ws76/translate/internal/relay"
)

// sessionPairs are the dialects of client and backend. All pairs of a line are told the same.
var sessionPairs = [][]pairOf{
	{{legacy.Hixie75, legacy.RFC6455}},
	{{legacy.Hixie76, legacy.RFC6455}},
	{{legacy.RFC6455, legacy.RFC6455}, {legacy.Hybi08, legacy.RFC6455}, {legacy.Hybi07, legacy.RFC6455}, {legacy.Hixie76, legacy.Hixie76}, {legacy.Hixie75, legacy.Hixie75}},
	{{legacy.Hixie75, legacy.Hixie76}},
	{{legacy.Hixie76, legacy.Hixie75}},
	{{legacy.RFC6455, legacy.Hixie75}, {legacy.Hybi08, legacy.Hixie75}, {legacy.Hybi07, legacy.Hixie75}},
	{{legacy.RFC6455, legacy.Hixie76}, {legacy.Hybi08, legacy.Hixie76}, {legacy.Hybi07, legacy.Hixie76}},
}

type pairOf struct{ client, backend legacy.Dialect }

func (p pairOf) String() string { return fmt.Sprintf("%s-%s", p.client, p.backend) }

func (p pairOf) session() *Session {
	return &Session{Dialect: p.client, Backend: p.backend, Limits: &Limits{}}
}

// The errors of scanners for what a peer sends.
func fromLegacy(data string, maxSkip int64) error {
	s := legacy.Scanner{Dialect: legacy.Hixie76, MaxMessage: 1, MaxSkip: maxSkip}
	for rest := []byte(data); ; {
		_, n, err := s.Scan(rest, true)
		if err != nil || n == 0 {
			return err
		}
		rest = rest[n:]
	}
}

func fromModern(frame string) error {
	s := modern.Scanner{MaxMessage: 1}
	_, _, err := s.Scan([]byte(frame))
	return err
}

// A sessionEvent is something that happens, by the name that it has in the table.
type sessionEvent struct {
	name string
	relay.Event
}

// sideEvents are what may happen on a side, of which a codec looks at what it sends.
func sideEvents(s *Session, side relay.Side) (events []sessionEvent) {
	add := func(name string, e relay.Event) {
		e.Side = side
		events = append(events, sessionEvent{string(By(side)) + " " + name, e})
	}
	done := func(name string, err error) { add(name, relay.Event{Kind: relay.CodecDone, Err: err}) }
	d := s.dialectOf(side)
	if !s.tunnel() && d == legacy.Hixie76 {
		done("FF 00", codec.ErrClose)
	}
	if !s.tunnel() && d.Legacy() {
		done("message too big", fromLegacy("\x00ab", 1))
		done("frame of a reserved type too big", fromLegacy("\x01ab", 1))
		done("length of 64 bits", fromLegacy("\x80"+strings.Repeat("\xff", 10), 0))
	}
	if !s.tunnel() && d.Legacy() && side == relay.Client && !s.Backend.Legacy() {
		done("no base64", codec.ErrBase64)
	}
	if !s.tunnel() && !d.Legacy() {
		done("Close 4000", &codec.CloseError{Code: 4000})
		done("Close without a code", &codec.CloseError{Code: modern.NoStatus})
		done("broken frame", fromModern("\x83\x00"))
		done("message too big", fromModern("\x81\x02ab"))
		done("no UTF-8", codec.ErrInvalidUTF8)
		done("binary message", codec.ErrBinary)
	}
	add("FIN", relay.Event{Kind: relay.ReadEnded})
	add("FIN in a message", relay.Event{Kind: relay.ReadEnded, Cut: true})
	add("reset", relay.Event{Kind: relay.ReadEnded, Err: io.ErrUnexpectedEOF, Cut: true})
	add("takes nothing", relay.Event{Kind: relay.WriteTimeout})
	return events
}

func sessionEvents(s *Session) []sessionEvent {
	events := append(sideEvents(s, relay.Client), sideEvents(s, relay.Backend)...)
	return append(events, sessionEvent{"shutdown", relay.Event{Kind: relay.Shutdown}})
}

// words is what a Say says: FF00, the code of a Close frame, and a dot for the end of
// TCP; - is nothing for now, and x nothing any more.
func words(t *testing.T, s *Session, to relay.Side, say *relay.Say) string {
	t.Helper()
	switch {
	case say == nil:
		return "-"
	case len(say.Bytes) == 0 && !say.Fin:
		return "x"
	}
	b, out := say.Bytes, ""
	switch d := s.dialectOf(to); {
	case len(b) == 0:
	case d.Legacy() && string(b) == "\xff\x00":
		out = "FF00"
	case d.Legacy():
		t.Fatalf("%q is said to a %s of %s", b, By(to), d)
	default:
		out = closeCode(t, b, to == relay.Backend)
	}
	if say.Fin {
		out += "."
	}
	return out
}

// closeCode is the code of a Close frame, which is masked for a backend.
func closeCode(t *testing.T, frame []byte, masked bool) string {
	t.Helper()
	h, ok := modern.ParseHeader(frame)
	if !ok || h.Opcode != modern.Close || h.Masked != masked || len(frame) != h.Size+int(h.Length) {
		t.Fatalf("%x is no Close frame, masked %v", frame, masked)
	}
	payload := slices.Clone(frame[h.Size:])
	modern.Mask(payload, payload, h.Key)
	code, reason := modern.ParseClose(payload)
	if reason != "" {
		t.Fatalf("a Close with the reason %q", reason)
	}
	if code == modern.NoStatus {
		return "none"
	}
	return fmt.Sprint(code)
}

// line is a line of the table.
func line(t *testing.T, s *Session, name string, a relay.Action) string {
	t.Helper()
	e := s.end.Load()
	besides := ""
	if a.AfterInput {
		besides += " after-input"
	}
	if a.Heard {
		besides += " heard"
	}
	if a.Pings[relay.Client] != nil || a.Pings[relay.Backend] != nil || a.Message != nil || !a.Next.IsZero() {
		t.Errorf("%s: an end with %+v", name, a)
	}
	text := fmt.Sprintf("%-46s %-8s %-18s %-6s %-6s%s", name, e.By, e.Reason, words(t, s, relay.Client, a.ToClient), words(t, s, relay.Backend, a.ToBackend), besides)
	return strings.TrimRight(text, " ") + "\n"
}

// sessionTable is what a pair of dialects says at each end, and at each event behind one
// that does anything.
func sessionTable(t *testing.T, pair pairOf) string {
	t.Helper()
	var table strings.Builder
	events := sessionEvents(pair.session())
	for _, e := range events {
		s := pair.session()
		a := s.Handle(e.Event)
		if !a.End {
			t.Errorf("%s: %s does not end it", pair, e.name)
		}
		table.WriteString(line(t, s, e.name, a))
	}
	for _, e := range events {
		if l := afterAnyEnd(t, pair, events, e); strings.Trim(strings.TrimPrefix(l, "then "+e.name), " -\n") != "" {
			table.WriteString(l)
		}
	}
	return table.String()
}

// afterAnyEnd is the line for an event behind another end, which is the same whatever
// that was but for the reason.
func afterAnyEnd(t *testing.T, pair pairOf, events []sessionEvent, e sessionEvent) (same string) {
	t.Helper()
	for _, first := range events {
		s := pair.session()
		s.Handle(first.Event)
		begun := *s.end.Load()
		a := s.Handle(e.Event)
		now := s.end.Load()
		overruled := now.Reason != begun.Reason
		slow := map[relay.Side]string{relay.Client: ClientSlow, relay.Backend: BackendSlow}[e.Side]
		if wants := e.Kind == relay.WriteTimeout && begun.Reason != ClientSlow && begun.Reason != BackendSlow; overruled != wants || overruled && now.Reason != slow {
			t.Errorf("%s: %s, then %s: the reason is %s", pair, first.name, e.name, now.Reason)
		}
		if a.End || a.AfterInput {
			t.Errorf("%s: %s, then %s ends it again: %+v", pair, first.name, e.name, a)
		}
		*now = End{By: "", Reason: "-"}
		if overruled {
			*now = End{By: By(e.Side), Reason: slow}
		}
		got := line(t, s, "then "+e.name, a)
		if same != "" && got != same && e.Kind != relay.WriteTimeout {
			t.Errorf("%s: behind %s\n%swant\n%s", pair, first.name, got, same)
		}
		if same == "" || overruled {
			same = got
		}
	}
	return same
}

const sessionFile = "testdata/session.txt"

// What is said at every end, and to whom, is testdata/session.txt.
func TestSessionTable(t *testing.T) {
	file, err := os.ReadFile(sessionFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(file), "\n\n")
	for _, pairs := range sessionPairs {
		head := strings.Trim(fmt.Sprint(pairs), "[]") + "\n"
		var want string
		want, rest, _ = strings.Cut(rest, "\n\n")
		for _, pair := range pairs {
			if got := head + sessionTable(t, pair); strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("%s has\n%s\nwant of %s\n%s", sessionFile, want, pair, got)
			}
		}
	}
	if rest != "" {
		t.Errorf("%s has more: %q", sessionFile, rest)
	}
}

// Every reason of the table of ends is the reason of some event, but for those of the clock,
// which TestSessionTicks has.
func TestSessionTableIsComplete(t *testing.T) {
	seen := map[string]bool{Idle: true, ClientSilent: true, BackendSilent: true}
	for _, pairs := range sessionPairs {
		for _, e := range sessionEvents(pairs[0].session()) {
			s := pairs[0].session()
			s.Handle(e.Event)
			seen[s.end.Load().Reason] = true
		}
	}
	for r := range endings {
		if !seen[r] {
			t.Errorf("no event ends with %s", r)
		}
	}
}

// pinged is the modern side opposite a legacy one. Nobody is pinged in a tunnel, nor
// between two legacy sides.
func pinged(pair pairOf) (side relay.Side, ok bool) {
	switch {
	case pair.client.Legacy() == pair.backend.Legacy():
		return 0, false
	case pair.client.Legacy():
		return relay.Backend, true
	}
	return relay.Client, true
}

// checkControl fails unless frame is that control frame, masked for a backend.
func checkControl(t *testing.T, frame []byte, op modern.Opcode, payload string, to relay.Side) {
	t.Helper()
	h, ok := modern.ParseHeader(frame)
	if !ok || !h.Fin || h.Opcode != op || h.Masked != (to == relay.Backend) || len(frame) != h.Size+int(h.Length) {
		t.Errorf("%x is sent to the %s", frame, By(to))
		return
	}
	got := slices.Clone(frame[h.Size:])
	modern.Mask(got, got, h.Key)
	if string(got) != payload {
		t.Errorf("a frame with %q, want %q", got, payload)
	}
}

// A Ping is answered with its payload, to the side that it came from.
func TestSessionAnswers(t *testing.T) {
	for _, pairs := range sessionPairs {
		for _, pair := range pairs {
			side, ok := pinged(pair)
			if !ok {
				continue
			}
			frame, goesOn := pair.session().Answer(codec.Ping("are you there?"))
			if !goesOn {
				t.Errorf("%s: a Ping is an end", pair)
			}
			checkControl(t, frame, modern.Pong, "are you there?", side)
			if frame, goesOn := pair.session().Answer(codec.ErrClose); frame != nil || goesOn {
				t.Errorf("%s: a Close is answered with %x, and no end: %v", pair, frame, goesOn)
			}
		}
	}
}

// A tickStep is a Tick, so long after the one before, and what becomes of it.
type tickStep struct {
	after         time.Duration
	carried, sent int64 // so far
	heard         int64 // from the side that is pinged
	clientIsBusy  bool
	backendIsBusy bool
	ping, message bool
	end           string
	next          time.Duration // until the next Tick
}

// What is done by the clock: Pings, the idle time, and the text that keeps a legacy
// client's connection from being silent.
func TestSessionTicks(t *testing.T) {
	legacyClient := []pairOf{{legacy.Hixie76, legacy.RFC6455}, {legacy.Hixie75, legacy.RFC6455}}
	legacyBackend := append(slices.Clone(sessionPairs[5]), sessionPairs[6]...)
	noPings := append(append(slices.Clone(sessionPairs[2]), sessionPairs[3]...), sessionPairs[4]...)
	const s = time.Second
	for _, test := range []struct {
		name      string
		pairs     []pairOf
		limits    Limits
		text      bool
		beginNext time.Duration
		steps     []tickStep
	}{
		{"nothing is due", legacyClient, Limits{}, false, 0, nil},
		{"heard each time", append(legacyClient, legacyBackend...), Limits{Ping: 20 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, ping: true, next: 20 * s},
			{after: 20 * s, heard: 1, ping: true, next: 20 * s},
			{after: 20 * s, heard: 2, ping: true, next: 20 * s},
		}},
		{"silent backend", legacyClient, Limits{Ping: 20 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, heard: 7, ping: true, next: 20 * s},
			{after: 20 * s, heard: 7, end: BackendSilent},
		}},
		{"silent client", legacyBackend, Limits{Ping: 20 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, ping: true, next: 20 * s},
			{after: 20 * s, end: ClientSilent},
		}},
		{"backend that is not read, because the client takes nothing", legacyClient, Limits{Ping: 20 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, ping: true, next: 20 * s},
			{after: 20 * s, clientIsBusy: true, ping: true, next: 20 * s},
			{after: 20 * s, end: BackendSilent},
		}},
		{"backend that is behind with reading gets no Ping on top", legacyClient, Limits{Ping: 20 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, backendIsBusy: true, next: 20 * s},
			{after: 20 * s, backendIsBusy: true, next: 20 * s},
			{after: 20 * s, ping: true, next: 20 * s},
			{after: 20 * s, end: BackendSilent},
		}},
		{"client that is behind with reading gets no Ping on top", legacyBackend, Limits{Ping: 20 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, clientIsBusy: true, next: 20 * s},
			{after: 20 * s, ping: true, next: 20 * s},
		}},
		{"nobody to ping", noPings, Limits{Ping: 20 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, next: 20 * s},
			{after: 20 * s, next: 20 * s},
		}},
		{"idle", append(append(slices.Clone(legacyClient), legacyBackend...), noPings...), Limits{Idle: 60 * s}, false, 60 * s, []tickStep{
			{after: 60 * s, carried: 1, next: 60 * s},
			{after: 60 * s, carried: 2, next: 60 * s},
			{after: 60 * s, carried: 2, end: Idle},
		}},
		{"a side that is slow to take is not idle", append(slices.Clone(legacyClient), legacyBackend...), Limits{Idle: 60 * s}, false, 60 * s, []tickStep{
			{after: 60 * s, clientIsBusy: true, next: 60 * s},
			{after: 60 * s, backendIsBusy: true, next: 60 * s},
			{after: 60 * s, end: Idle},
		}},
		{"idle in spite of Pongs, seen at the shorter period", legacyClient, Limits{Idle: 60 * s, Ping: 25 * s}, false, 25 * s, []tickStep{
			{after: 25 * s, heard: 1, ping: true, next: 25 * s},
			{after: 25 * s, heard: 2, ping: true, next: 25 * s},
			{after: 25 * s, heard: 3, end: Idle},
		}},
		{"an idle time that is shorter does not ping more often", legacyClient, Limits{Idle: 20 * s, Ping: 60 * s}, false, 20 * s, []tickStep{
			{after: 20 * s, carried: 1, next: 20 * s},
			{after: 20 * s, carried: 2, next: 20 * s},
			{after: 20 * s, carried: 3, ping: true, next: 20 * s},
		}},
		{"text for a client that was sent nothing", legacyClient, Limits{Ping: 20 * s}, true, 5 * s, []tickStep{
			{after: 5 * s, sent: 1, next: 5 * s},
			{after: 5 * s, sent: 1, next: 5 * s},
			{after: 5 * s, sent: 1, next: 5 * s},
			{after: 5 * s, sent: 1, ping: true, next: 5 * s},
			{after: 5 * s, sent: 1, heard: 1, message: true, next: 5 * s},
			{after: 5 * s, sent: 1, heard: 1, next: 5 * s},
		}},
		{"no text for a client that takes none", legacyClient, Limits{Ping: 20 * s}, true, 5 * s, []tickStep{
			{after: 20 * s, clientIsBusy: true, ping: true, next: 5 * s},
			{after: 5 * s, heard: 1, message: true, next: 5 * s},
		}},
	} {
		for _, pair := range test.pairs {
			t.Run(fmt.Sprint(test.name, " ", pair), func(t *testing.T) {
				session := pair.session()
				session.Limits = &test.limits
				if test.text {
					session.Limits.Nudge = legacy.AppendText(nil, []byte("still here"))
				}
				now := time.Unix(1e9, 0)
				a := session.Handle(relay.Event{Kind: relay.Started, Now: now})
				checkNext(t, now, a, test.beginNext)
				for _, step := range test.steps {
					now = now.Add(step.after)
					step.check(t, pair, session, now)
				}
			})
		}
	}
}

func checkNext(t *testing.T, now time.Time, a relay.Action, want time.Duration) {
	t.Helper()
	if want == 0 && !a.Next.IsZero() || want > 0 && !a.Next.Equal(now.Add(want)) {
		t.Errorf("the next Tick is at %v, want %v after %v", a.Next, want, now)
	}
}

func (step tickStep) check(t *testing.T, pair pairOf, s *Session, now time.Time) {
	t.Helper()
	side, _ := pinged(pair)
	e := relay.Event{Kind: relay.Tick, Now: now, Carried: step.carried, Sent: step.sent, Busy: [2]bool{step.clientIsBusy, step.backendIsBusy}}
	e.Heard[side] = step.heard
	a := s.Handle(e)
	checkNext(t, now, a, step.next)
	var reason string
	if end := s.end.Load(); end != nil {
		reason = end.Reason
	}
	if reason != step.end || a.End != (step.end != "") {
		t.Fatalf("after %v the end is %q, %v, want %q", now.Sub(time.Unix(1e9, 0)), reason, a.End, step.end)
	}
	if got := string(a.Message); got != map[bool]string{true: "\x00still here\xff"}[step.message] {
		t.Errorf("after %v the client gets %q", now.Sub(time.Unix(1e9, 0)), got)
	}
	other := 1 - side
	if a.Pings[other] != nil || (a.Pings[side] != nil) != step.ping {
		t.Errorf("after %v the Pings are %x, want one: %v", now.Sub(time.Unix(1e9, 0)), a.Pings, step.ping)
	} else if step.ping {
		checkControl(t, a.Pings[side], modern.Ping, "", side)
	}
}

// A tunnel is ended by who has said Close first, if anybody has, and else by who has ended
// TCP first. Either way what the other side still sends is for the one that has ended TCP.
func TestSessionTunnelEnd(t *testing.T) {
	closes := map[relay.Side]string{relay.Client: "\x88\x80\x00\x00\x00\x00", relay.Backend: "\x88\x00"}
	for _, test := range []struct {
		closes []relay.Side // in this order
		tcp    relay.Side   // ends it
		by     Side
		reason string
	}{
		{nil, relay.Client, ByClient, ClientEnded},
		{nil, relay.Backend, ByBackend, BackendEnded},
		{[]relay.Side{relay.Client, relay.Backend}, relay.Backend, ByClient, ClientClosed},
		{[]relay.Side{relay.Client}, relay.Client, ByClient, ClientClosed},
		{[]relay.Side{relay.Client}, relay.Backend, ByClient, ClientClosed},
		{[]relay.Side{relay.Backend, relay.Client}, relay.Client, ByBackend, BackendClosed},
		{[]relay.Side{relay.Backend}, relay.Client, ByBackend, BackendClosed},
		{[]relay.Side{relay.Backend}, relay.Backend, ByBackend, BackendClosed},
	} {
		for _, err := range []error{nil, io.ErrUnexpectedEOF} {
			s := pairOf{legacy.RFC6455, legacy.RFC6455}.session()
			for _, side := range test.closes {
				codec.NewWalk(side == relay.Backend, &s.Summary).Pass([]byte(closes[side]))
			}
			a := s.Handle(relay.Event{Kind: relay.ReadEnded, Side: test.tcp, Err: err})
			says := [2]*relay.Say{a.ToClient, a.ToBackend}
			if e := s.end.Load(); e.By != test.by || e.Reason != test.reason || e.Err != err {
				t.Errorf("%v, then TCP by %d: %+v, want %s by %s", test.closes, test.tcp, e, test.reason, test.by)
			}
			if says[test.tcp] != nil || says[1-test.tcp] == nil || !says[1-test.tcp].Fin || len(says[1-test.tcp].Bytes) > 0 {
				t.Errorf("%v, then TCP by %d: %+v", test.closes, test.tcp, a)
			}
		}
	}
}

// A backend is deaf if a Ping has passed without a Pong, and there never was one, whatever
// else it sends. While its bytes are not read nobody can know.
func TestSessionDeafBackend(t *testing.T) {
	for _, test := range []struct {
		name     string
		answered bool
		tick     relay.Event
		deaf     bool
	}{
		{"silent", false, relay.Event{}, true},
		{"writes", false, relay.Event{Heard: [2]int64{0, 5}}, true},
		{"answers", true, relay.Event{Heard: [2]int64{0, 5}}, false},
		{"has answered before", true, relay.Event{}, false},
		{"is not read", false, relay.Event{Busy: [2]bool{true, false}}, false},
	} {
		s := pairOf{legacy.Hixie76, legacy.RFC6455}.session()
		s.Limits = &Limits{Ping: time.Second}
		now := time.Unix(1e9, 0)
		s.Handle(relay.Event{Kind: relay.Started, Now: now})
		s.Handle(relay.Event{Kind: relay.Tick, Now: now.Add(time.Second)})
		if s.deaf {
			t.Errorf("%s: deaf before the first Ping could be answered", test.name)
		}
		s.Summary.Answered.Store(test.answered)
		test.tick.Kind, test.tick.Now = relay.Tick, now.Add(2*time.Second)
		if s.Handle(test.tick); s.deaf != test.deaf {
			t.Errorf("%s: deaf %v", test.name, s.deaf)
		}
	}
}
