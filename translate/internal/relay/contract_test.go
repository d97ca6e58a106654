package relay

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/wiretest"
)

// contract is what a Pair does, whatever driver it has.
var contract = []struct {
	name    string
	script  func() *script
	sockets bool // only where they are
	test    func(*joined)
	alone   bool // while no other test runs
}{
	{"data with FIN", inLines, false, dataWithFIN(0), false},
	{"data with FIN of a side that has talked", inLines, false, dataWithFIN(talked), false},
	{"bytes with FIN", plain, false, dataWithFIN(0), false},
	{"bytes with FIN of a side that has talked", plain, false, dataWithFIN(talked), false},
	{"FIN with data at once", inLines, true, endWithData, false},
	{"FIN with data behind a stall", inLines, false, endBehindStall, false},
	{"busy flows have no goroutine", inLines, true, busyIsParked, false},
	{"flows that wait have a goroutine", inLines, true, waitsInGoroutine, false},
	{"idle flows have no goroutine", inLines, true, idleIsParked, false},
	{"reset", inLines, false, resetOfBackend(0), false},
	{"reset of a side that has talked", inLines, false, resetOfBackend(talked), false},
	{"FIN inside a message", inLines, false, cutMessage, false},
	{"short write, suspend and resume", patiently(inLines), false, suspendAndResume, false},
	{"short write, suspend and resume, bytes", patiently(plain), false, suspendAndResume, false},
	{"FIN of the suspended side", patiently(inLines), false, finWhileSuspended, false},
	{"reset of the suspended side", patiently(inLines), false, resetWhileSuspended, false},
	{"FIN of the side that does not read", patiently(inLines), false, finOfStalled, false},
	{"reset of the side that does not read", patiently(inLines), false, resetOfStalled, false},
	{"reset behind the last words", inLines, false, resetBehindLastWords, false},
	{"reset of both while suspended", patiently(inLines), false, bothGoneWhileSuspended, false},
	{"a write that fails", inLines, false, writeFails, false},
	{"a side that takes nothing", inLines, false, takesNothing, false},
	{"urgent data", inLines, true, urgentData, false},
	{"questions", inLines, false, questions, false},
	{"questions behind a stall", inLines, true, questionsBehindAStall, false},
	{"shutdown behind what has arrived", patiently(inLines), false, shutdownAfterInput, true},
	{"shutdown of a flood", patiently(inLines), false, shutdownOfAFlood, false},
	{"a slow end", inLines, false, slowEnd, false},
	{"a slow end, bytes", plain, false, slowEnd, false},
	{"cut", patiently(inLines), false, cutEndsEverything, false},
	{"late input", inLines, false, lateInput, false},
	{"a budget for each turn", patiently(counting), false, budgetForEachTurn("as fast as it goes, in messages that are not so short\n", 4*readSize, 2*readSize), true},
	{"a budget for each turn of long messages", patiently(counting), false, budgetForEachTurn(strings.Repeat("as fast as it goes, ", 1<<10)+"\n", 2*budget, budget+readSize), true},
	{"a budget for each turn of short messages", patiently(counting), false, budgetForEachTurn("as fast as it goes\n", 2*shortRead, readSize), true},
}

func TestContract(t *testing.T) {
	t.Parallel()
	eachRow(false, func(name string, test func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	})
}

// The rows that nothing else may run beside.
func TestContractAlone(t *testing.T) {
	eachRow(true, func(name string, test func(*testing.T)) { t.Run(name, test) })
}

func eachRow(alone bool, run func(name string, test func(*testing.T))) {
	for _, d := range drivers {
		for _, row := range contract {
			if row.alone == alone && (d.sockets || !row.sockets) {
				run(d.name+"/"+row.name, func(t *testing.T) { d.run(t, row.script(), row.test) })
			}
		}
	}
}

// Bytes that come together with the end of TCP are carried before it.
func dataWithFIN(before int) func(*joined) {
	return func(j *joined) {
		j.talk(before)
		say(j.client, "one\ntwo\n")
		j.client.CloseWrite()
		j.get(j.backend, "one\ntwo\n")
		j.all(j.backend, "bye\n")
		j.all(j.client, "bye\n")
		j.backend.Close()
		j.over()
		if e := j.event(ReadEnded, Client); e == nil || e.Err != nil || e.Cut {
			j.Errorf("the end is %+v", e)
		}
	}
}

// talked is how many messages a side that has talked has sent.
const talked = 24

// An end that comes with data is not told again.
func endWithData(j *joined) {
	j.talk(1)
	j.late(func() {
		say(j.client, "one\n")
		j.client.CloseWrite()
	})
	j.all(j.backend, "one\nbye\n")
	j.backend.Close()
	j.over()
}

// An end that came with data, while the flow waited for the other side, is found.
func endBehindStall(j *joined) {
	j.talk(talked)
	end := j.stall("first\n")
	say(j.client, "one\n")
	j.client.CloseWrite()
	end()
	j.get(j.backend, "first\none\n")
	j.all(j.backend, "bye\n")
	j.backend.Close()
	j.over()
}

// stall has the client's flow wait with a message, until end is called.
func (j *joined) stall(message string) (end func()) {
	flow, stalls := &j.pair.flows[Client], &j.pair.sockets[Backend]
	if err := stalls.claim(); err != nil {
		j.Fatal(err)
	}
	say(j.client, message)
	for flow.held.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	return func() { stalls.release(false, nil) }
}

// parked waits until nobody owns the flows, if there is a Poller.
func (j *joined) parked() {
	for j.pair.loop != nil && !j.owned(parked) {
		time.Sleep(time.Millisecond)
	}
}

// Flows that have no goroutine get none because they are busy.
func busyIsParked(j *joined) {
	j.parked()
	for range 10 * talked {
		j.talk(1)
		for side := range j.pair.flows {
			if j.pair.loop != nil && j.pair.flows[side].owner.Load() == running {
				j.Fatalf("side %d: a goroutine owns the flow", side)
			}
		}
	}
}

// A flow that waits for the other side has a goroutine, and none when it has not waited for a
// while.
func waitsInGoroutine(j *joined) {
	for range 2 {
		j.parked()
		end := j.stall("first\n")
		if owner := j.pair.flows[Client].owner.Load(); owner != running {
			j.Errorf("the owner of a flow that waits is %d", owner)
		}
		end()
		j.get(j.backend, "first\n")
		j.talk(1)
	}
	j.parked()
	j.talk(1)
}

// A flow that waits for its source is left to the Poller, at once and between two
// messages, and of an unfinished one; without a Poller it has a goroutine.
func idleIsParked(j *joined) {
	j.parked()
	j.talk(3)
	j.parked()
	say(j.client, "part")
	j.parked()
	if n := map[bool]int{true: 2}[j.pair.loop != nil]; countPolled(j.poller) != n {
		j.Errorf("%d sockets are polled, want %d", countPolled(j.poller), n)
	}
	say(j.client, " two\n")
	j.get(j.backend, "part two\n")
}

// A reset is an end with an error.
func resetOfBackend(before int) func(*joined) {
	return func(j *joined) {
		j.talk(before)
		reset(j.backend)
		j.all(j.client, "bye\n")
		j.client.Close()
		j.over()
		if e := j.event(ReadEnded, Backend); e == nil || e.Err == nil || !e.Cut {
			j.Errorf("the end is %+v", e)
		}
	}
}

// An end inside a message says so.
func cutMessage(j *joined) {
	say(j.client, "whole\npart")
	j.get(j.backend, "whole\n")
	j.client.CloseWrite()
	j.all(j.backend, "bye\n")
	j.backend.Close()
	if j.over(); !j.event(ReadEnded, Client).Cut {
		j.Error("an end inside a message was regular")
	}
}

// beyond is messages, more than both connections take while the client does not read.
func (j *joined) beyond() string { return strings.Repeat("more than it takes\n", 3*j.holds/19) }

// floods has the backend send more than the client takes, which does not read, and returns
// when the flow between them stands still.
func (j *joined) floods(then func()) (text string) {
	small(j.client)
	text = j.beyond()
	go func() {
		io.WriteString(j.backend, text)
		then()
	}()
	j.suspends(Client)
	return text
}

// A side that takes less than is sent suspends the other, and resumes it; nothing
// is lost, and nothing comes twice.
func suspendAndResume(j *joined) {
	sent := make(chan struct{})
	text := j.floods(func() { close(sent) })
	var got strings.Builder
	for got.Len() < len(text) {
		if _, err := io.CopyN(&got, j.client, min(64<<10, int64(len(text)-got.Len()))); err != nil {
			j.Fatal(err)
		}
	}
	if <-sent; got.String() != text {
		j.Error("other bytes came")
	}
	j.talk(3)
}

// A side that ends TCP while it is suspended ends the Pair: what it sent before is
// delivered to a side that takes it later, its end behind it.
func finWhileSuspended(j *joined) {
	text := j.floods(func() { j.backend.CloseWrite() })
	j.all(j.client, text+"bye\n")
	j.client.Close()
	j.over()
	if all, _ := j.pair.Undelivered(Client); all != 0 {
		j.Errorf("%d bytes undelivered of what was read", all)
	}
}

// A side that is reset while it is suspended ends the Pair. What had been read of it is
// delivered, up to the reset and never with other bytes.
func resetWhileSuspended(j *joined) {
	text := j.floods(func() {})
	reset(j.backend)
	got, err := io.ReadAll(j.client)
	if whole := strings.TrimSuffix(string(got), "bye\n"); err != nil || whole == "" || !strings.HasPrefix(text, whole) {
		j.Errorf("%d bytes came, %v, which end with %q", len(got), err, got[max(0, len(got)-30):])
	}
	j.client.Close()
	j.over()
}

// A side that ends TCP while it does not read ends the Pair. It gets what was on its way,
// and the other side hears of it at once.
func finOfStalled(j *joined) {
	text := j.floods(func() {})
	j.client.CloseWrite()
	j.get(j.backend, "bye\n")
	got, err := io.ReadAll(j.client)
	whole, told := strings.CutSuffix(string(got), "bye\n")
	if inside := !strings.HasSuffix(whole, "\n"); err != nil || told == inside || !strings.HasPrefix(text, whole) { // inside a message nothing is told
		j.Errorf("%d bytes came, %v, which end with %q", len(got), err, got[max(0, len(got)-30):])
	}
	j.client.Close()
	j.backend.Close()
	j.over()
}

// A side that is reset while it does not read ends the Pair, and what it had not taken is
// counted.
func resetOfStalled(j *joined) {
	j.floods(func() {})
	reset(j.client)
	j.all(j.backend, "bye\n")
	j.backend.Close()
	j.over()
	j.checkUndelivered()
}

// A side that is reset while the last words are on their way is waited for no longer.
// With TLS, whose own last record waits until all is taken, the Pair stayed for ever.
func resetBehindLastWords(j *joined) {
	small(j.client)
	text := strings.Repeat("more than the client's kernel takes\n", wiretest.Size*3/4/36)
	say(j.backend, text)
	j.backend.CloseWrite()
	for !j.saw(ReadEnded, Backend) {
		time.Sleep(time.Millisecond)
	}
	reset(j.client)
	j.backend.Close()
	j.over()
}

// checkUndelivered fails unless bytes for the client are undelivered.
func (j *joined) checkUndelivered() {
	j.Helper()
	all, counted := j.pair.Undelivered(Client)
	if all == 0 || j.sockets && counted == 0 || counted >= all {
		j.Errorf("%d bytes undelivered, %d counted", all, counted)
	}
}

// Both sides are reset while nobody reads from the one, and the other takes nothing.
func bothGoneWhileSuspended(j *joined) {
	j.floods(func() {})
	reset(j.backend)
	reset(j.client)
	j.over()
	j.checkUndelivered()
}

// What was read for a side whose connection is broken is counted, though it never waited.
func writeFails(j *joined) {
	j.talk(1)
	client := &j.pair.sockets[Client]
	client.mu.Lock()
	client.broken = true
	client.mu.Unlock()
	say(j.backend, "lost\nand more")
	j.all(j.backend, "bye\n")
	j.backend.Close()
	j.client.Close()
	j.over()
	if all, counted := j.pair.Undelivered(Client); all != 13 || j.sockets && counted != 0 {
		j.Errorf("%d bytes undelivered, %d counted", all, counted)
	}
}

// A side that takes nothing is told apart from one that is slow.
func takesNothing(j *joined) {
	small(j.client)
	go io.WriteString(j.backend, j.beyond())
	go io.Copy(io.Discard, j.backend)
	j.over()
	if !j.saw(WriteTimeout, Client) || j.saw(WriteTimeout, Backend) {
		j.Errorf("events %v", j.events)
	}
	j.checkUndelivered()
}

// Questions are answered in order, one each, while their answers find room.
func questions(j *joined) {
	var asked, want strings.Builder
	for range 10 {
		asked.WriteString("?a\ntext\n?b\n")
		want.WriteString("!a\n!b\n")
	}
	say(j.backend, asked.String())
	j.get(j.backend, want.String())
	j.get(j.client, strings.Repeat("text\n", 10))
}

// Behind a write that stalls the newest answer alone waits.
func questionsBehindAStall(j *joined) {
	stalls := &j.pair.sockets[Backend]
	if err := stalls.claim(); err != nil { // as somebody does who finishes a write
		j.Fatal(err)
	}
	say(j.backend, strings.Repeat("?old\n", 1000)+"?new\n"+"text\n")
	j.get(j.client, "text\n")
	stalls.release(false, nil)
	j.get(j.backend, "!new\n")
	j.talk(1)
}

// At the gateway's own end what has arrived is carried before the last words, however
// much it is; what comes later is not.
func shutdownAfterInput(j *joined) {
	text := strings.Repeat("in the sockets already\n", j.holds*5/4/23) // does not fit the client's side
	small(j.client)
	say(j.backend, "first\n")
	j.get(j.client, "first\n")
	large(j.backend)
	go io.WriteString(j.backend, text)
	j.suspends(Client)
	j.pair.Shutdown()
	j.all(j.client, text+"bye\n")
	j.all(j.backend, "bye\n")
	j.client.Close()
	j.backend.Close()
	j.over()
}

// A side that never pauses does not hold up the last words of the gateway's own end.
func shutdownOfAFlood(j *joined) {
	flood := strings.Repeat("and more\n", readSize/9)
	go func() {
		for {
			if _, err := io.WriteString(j.backend, flood); err != nil {
				return
			}
		}
	}()
	j.get(j.client, "and more\n")
	j.pair.mu.Lock()
	j.pair.config.Close = time.Minute // the flood's length is what ends it
	j.pair.mu.Unlock()
	j.pair.Shutdown()
	got, err := io.ReadAll(j.client)
	whole, told := strings.CutSuffix(string(got), "bye\n")
	if inside := !strings.HasSuffix(whole, "\n"); err != nil || told == inside || len(got) > 2*maxParting+4*j.holds {
		j.Errorf("%d bytes came, %v, which end with %q", len(got), err, got[max(0, len(got)-30):])
	}
	j.client.Close()
	j.backend.Close()
	j.over()
}

// What a slow side has not taken when the end begins is waited for while it
// moves, for much longer than any timeout; the other side talks on meanwhile.
func slowEnd(j *joined) {
	small(j.client)
	text := j.beyond()[:j.holds]
	text = text[:strings.LastIndex(text, "\n")+1]
	go func() {
		io.WriteString(j.backend, text)
		j.backend.CloseWrite()
	}()
	var got strings.Builder
	for buf := make([]byte, j.holds/32); ; {
		n, err := io.ReadFull(j.client, buf)
		got.Write(buf[:n])
		if err != nil {
			break
		}
		say(j.client, "late\n")
		time.Sleep(50 * time.Millisecond) // the reader's own slowness
	}
	if got.String() != text+"bye\n" {
		j.Errorf("%d of %d bytes came", got.Len(), len(text)+4)
	}
	j.client.Close()
	j.over()
}

// Cut ends everything at once, whoever waits for whom.
func cutEndsEverything(j *joined) {
	j.floods(func() {})
	j.pair.mu.Lock()
	j.pair.config.Write, j.pair.config.Close = time.Hour, time.Hour
	j.pair.mu.Unlock()
	j.pair.Shutdown()
	j.pair.Cut()
	j.over()
}

// A side whose last word has come, and that goes on sending, is read and dropped
// within its time.
func lateInput(j *joined) {
	say(j.backend, "text\n.\n")
	go func() {
		for {
			if _, err := io.WriteString(j.backend, "late\n.\n"); err != nil {
				return
			}
		}
	}()
	j.all(j.client, "text\nbye\n")
	j.over()
	if e := j.event(CodecDone, Backend); e == nil || e.Err != errDot {
		j.Errorf("the last word is %v", e)
	}
}
