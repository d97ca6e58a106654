package translate

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/wiretest"
)

const (
	ping = "\x89\x00"
	pong = "\x8a\x00"

	// lastCall is how long what had come is waited for at the gateway's own end.
	lastCall = 10 * time.Millisecond
)

// The backend is pinged, and only it: a legacy client knows no Ping. One that
// stays silent until the next is due has gone; whatever it says is a sign of
// life.
func TestPing(t *testing.T) {
	const period = 20 * time.Second
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		t.Run(d.String(), func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Ping: period}}, func(l *lab) {
				l.opened(d)
				for _, exchange := range [][2]string{{pong, ""}, {"\x81\x00", ""}, {"\x89\x01?", "\x8a\x01?"}, {"\x81", ""}} {
					time.Sleep(period - 1)
					l.backendGets("")
					time.Sleep(time.Nanosecond)
					l.backendGets(ping)
					l.backendSays(exchange[0])
					l.backendGets(exchange[1])
				}
				l.clientGets("\x00\xff")
				time.Sleep(period)
				l.backendGets(ping)
				time.Sleep(period)
				l.backendGets(closed1001)
				l.clientGets("")
				l.clientEnded()
				l.after(6 * period)
				l.hangUp()
				l.closed(ByBackend, BackendSilent)
			})
		})
	}
}

// A backend that only writes never answers a Ping. It is not closed while it writes, and the
// log says in time that it will be.
func TestPingOfADeafBackend(t *testing.T) {
	const period = 20 * time.Second
	var log bytes.Buffer
	warned := func() int { synctest.Wait(); return strings.Count(log.String(), "[WARN]") }
	inLab(t, Options{Timeouts: Timeouts{Ping: period}, Logger: hclog.New(&hclog.LoggerOptions{Output: &log})}, func(l *lab) {
		l.opened(legacy.Hixie76)
		for range 5 {
			time.Sleep(period / 2)
			l.backendSays("\x81\x00")
			time.Sleep(period / 2)
			l.backendGets(ping)
		}
		l.clientGets(strings.Repeat("\x00\xff", 5))
		if warned() != 1 || !strings.Contains(log.String(), "the backend has never answered a Ping") || !strings.Contains(log.String(), "reason=backend-silent") {
			t.Errorf("the log says %s", log.String())
		}
		l.backendSays(pong)
		for range 2 {
			time.Sleep(period / 2)
			l.backendSays("\x81\x00")
			time.Sleep(period / 2)
			l.backendGets(ping)
		}
		time.Sleep(period)
		l.backendGets(closed1001)
		l.clientGets("\x00\xff\x00\xff")
		l.hangUp()
		l.closed(ByBackend, BackendSilent)
		if warned() != 1 {
			t.Errorf("the log says %s", log.String())
		}
	})
}

// An idle timeout that is shorter than the time between Pings does not change that time.
func TestPingWithShortIdle(t *testing.T) {
	inLab(t, Options{Timeouts: Timeouts{Ping: 60 * time.Second, Idle: 20 * time.Second}}, func(l *lab) {
		l.opened(legacy.Hixie76)
		for minute := range 3 {
			for second := 5; second < 60; second += 10 {
				time.Sleep(time.Until(l.began.Add(time.Duration(60*minute+second) * time.Second)))
				l.backendGets("")
				l.clientSays(hello)
				l.backendGets("\x81\x05hello")
			}
			time.Sleep(time.Until(l.began.Add(time.Duration(60*minute+61) * time.Second)))
			l.backendGets(ping)
			l.backendSays(pong)
		}
	})
}

// A backend that is not read, because the client takes nothing, is not silent.
func TestPingWhileClientIsSlow(t *testing.T) {
	inLab(t, Options{Timeouts: Timeouts{Ping: 20 * time.Second, Write: 90 * time.Second}}, func(l *lab) {
		l.opened(legacy.Hixie76)
		go l.backendSays(flood(8*wiretest.Size, "\x81\x7e\x80\x00", ""))
		time.Sleep(90*time.Second - 1)
		l.backendGets(strings.Repeat(ping, 4)) // of an answer nothing could be known
		time.Sleep(time.Nanosecond)
		l.backendGets(closed1001)
		if got := l.client.TakeAll(); len(got) != wiretest.Size || strings.Contains(got, "\xff\x00\xff") {
			t.Errorf("the client got %d bytes, want %d without FF 00", len(got), wiretest.Size)
		}
		l.clientEnded()
		l.hangUp()
		l.closed(ByClient, ClientSlow)
	})
}

// flood is messages of 32 KiB, together of about so many bytes.
func flood(size int, before, behind string) string {
	message := before + strings.Repeat("x", 32<<10) + behind
	return strings.Repeat(message, size/len(message))
}

// A backend that reads nothing gets no Ping on top, and has the write timeout.
func TestBackendSlow(t *testing.T) {
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		t.Run(d.String(), func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Ping: 20 * time.Second, Write: 30 * time.Second}}, func(l *lab) {
				l.opened(d)
				go l.clientSays(flood(8*wiretest.Size, "\x00", "\xff"))
				time.Sleep(30 * time.Second)
				l.clientGets("")
				l.clientEnded()
				if got := l.backend.TakeAll(); len(got) != wiretest.Size || slices.Contains(opcodes([]byte(got)), modern.Ping) {
					t.Errorf("the backend got %d bytes, want %d without a Ping", len(got), wiretest.Size)
				}
				l.hangUp()
				l.closed(ByBackend, BackendSlow)
			})
		})
	}
}

// opcodes are those of the frames in data, of which the last may be cut. Masked payloads
// may look like anything.
func opcodes(data []byte) (all []modern.Opcode) {
	for len(data) > 0 {
		h, ok := modern.ParseHeader(data)
		if !ok {
			break
		}
		all = append(all, h.Opcode)
		data = data[min(uint64(len(data)), uint64(h.Size)+h.Length):]
	}
	return all
}

// A backend that has taken all messages but not a Ping, or the Pong to its own,
// is as slow as one that does not take a message.
// It stayed connected, and neither half of it worked.
func TestBackendSlowToTakeControlFrames(t *testing.T) {
	const fits = 1008 // of the frame of a message of 1000 bytes
	fill := strings.Repeat("\x00"+strings.Repeat("x", 1000)+"\xff", wiretest.Size/fits) +
		"\x00" + strings.Repeat("x", wiretest.Size%fits-6) + "\xff"
	for _, test := range []struct {
		id      string
		ping    time.Duration
		backend string
		after   time.Duration
	}{
		{"ping", 10 * time.Second, "", 40 * time.Second},
		{"pong", 0, ping, 30 * time.Second},
	} {
		t.Run(test.id, func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Ping: test.ping, Write: 30 * time.Second}}, func(l *lab) {
				l.opened(legacy.Hixie76)
				l.clientSays(fill)
				synctest.Wait()
				if got := l.backend.Arrived(); got != wiretest.Size {
					t.Fatalf("%d bytes on the way to the backend, want %d", got, wiretest.Size)
				}
				l.backendSays(test.backend)
				time.Sleep(test.after)
				l.clientGets("")
				l.clientEnded()
				l.hangUp()
				l.closed(ByBackend, BackendSlow)
			})
		})
	}
}

// A connection is idle while no message passes; Pings do not count. It is found
// out at the latest when it has been idle for twice the time.
func TestIdle(t *testing.T) {
	const idle = 60 * time.Second
	for _, test := range []struct {
		id    string
		d     legacy.Dialect
		ping  time.Duration
		until time.Duration // a message passes, one every 50 seconds
		after time.Duration
		bye   string
	}{
		{"76", legacy.Hixie76, 0, 0, idle, "\xff\x00"},
		{"75", legacy.Hixie75, 0, 0, idle, ""},
		{"pings", legacy.Hixie76, 20 * time.Second, 0, idle, "\xff\x00"},
		{"rare-pings", legacy.Hixie76, 100 * time.Second, 0, idle, "\xff\x00"},
		{"messages", legacy.Hixie76, 0, 150 * time.Second, 240 * time.Second, "\xff\x00"},
		{"messages-and-pings", legacy.Hixie76, 20 * time.Second, 150 * time.Second, 220 * time.Second, "\xff\x00"},
	} {
		t.Run(test.id, func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Idle: idle, Ping: test.ping}}, func(l *lab) {
				l.opened(test.d)
				for step := 10 * time.Second; !l.ending() && time.Since(l.began) < time.Hour; {
					time.Sleep(step)
					l.backendSays(pong)
					if now := time.Since(l.began); now <= test.until && now%(50*time.Second) == 0 {
						l.clientSays(hello)
					}
				}
				l.after(test.after)
				time.Sleep(lastCall)
				l.clientGets(test.bye)
				if !strings.HasSuffix(l.frames(), closed1001) {
					t.Error("the backend got no Close 1001")
				}
				l.clientEnded()
				l.hangUp()
				l.closed(ByGateway, Idle)
			})
		})
	}
}

// linger is how long a side has to end TCP when both have said their last word.
const linger = time.Second

// A message that comes slowly, a byte now and then, is no silence, up or down. A
// connection was closed in the middle of one.
func TestIdleInSlowMessage(t *testing.T) {
	const idle = 60 * time.Second
	for id, test := range map[string]struct{ begin, more, end, want string }{
		"up":         {"\x00", "u", "\xff", "\x81\x14" + strings.Repeat("u", 20)},
		"up-skipped": {"\x01", "u", "\xff", ""},
		"down":       {"\x81\x14", "d", "", "\x00" + strings.Repeat("d", 20) + "\xff"},
	} {
		t.Run(id, func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Idle: idle}}, func(l *lab) {
				l.opened(legacy.Hixie76)
				says, gets := l.clientSays, l.backendGets
				if strings.HasPrefix(id, "down") {
					says, gets = l.backendSays, l.clientGets
				}
				says(test.begin)
				for range 20 {
					time.Sleep(idle - time.Second)
					says(test.more)
				}
				says(test.end)
				if l.ending() {
					t.Fatalf("closed after %v", time.Since(l.began))
				}
				gets(test.want)
				for !l.ending() && time.Since(l.began) < 2*time.Hour {
					time.Sleep(time.Second)
				}
				time.Sleep(lastCall)
				l.hangUp()
				l.closed(ByGateway, Idle)
			})
		})
	}
}

// A client that takes slowly what it is sent is not idle: the write timeout looks after it.
func TestIdleWithSlowClient(t *testing.T) {
	const idle = 60 * time.Second
	inLab(t, Options{Timeouts: Timeouts{Idle: idle, Write: time.Hour}}, func(l *lab) {
		l.opened(legacy.Hixie76)
		go l.backendSays("\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00" + strings.Repeat("d", 1<<20))
		for range 10 {
			time.Sleep(idle)
			l.client.Take(1000)
		}
		if l.ending() {
			t.Fatalf("closed after %v", time.Since(l.began))
		}
		for !l.ending() && time.Since(l.began) < 2*time.Hour {
			l.client.TakeAll()
			time.Sleep(time.Second)
		}
		time.Sleep(lastCall)
		l.hangUp()
		l.closed(ByGateway, Idle)
	})
}

// An end is over when both peers have ended TCP, at once; when one has said its
// last word and does not, a second later; and when one says nothing, at the
// close timeout. A peer that talks on changes nothing.
func TestClosingHandshakeEnds(t *testing.T) {
	const limit = lastCall + 5*time.Second
	const left = limit - lastCall // when the answers come
	for _, test := range []struct {
		id              string
		begin           func(l *lab)
		client, backend string // the answers
		hangUp          bool
		after           time.Duration
	}{
		{"client-answered", func(l *lab) { l.clientSays("\xff\x00") }, "", "\x88\x02\x03\xe8", true, 0},
		{"client-nobody-ends", func(l *lab) { l.clientSays("\xff\x00") }, "", "\x88\x02\x03\xe8", false, linger},
		{"client-no-answer", func(l *lab) { l.clientSays("\xff\x00") }, "", "", false, left},
		{"backend-answered", func(l *lab) { l.backendSays("\x88\x00") }, "\xff\x00", "", true, 0},
		{"backend-nobody-ends", func(l *lab) { l.backendSays("\x88\x00") }, "\xff\x00", "", false, linger},
		{"backend-no-answer", func(l *lab) { l.backendSays("\x88\x00") }, "", "", false, left},
		{"gateway-answered", (*lab).shutDown, "\xff\x00", "\x88\x02\x03\xe9", true, 0},
		{"gateway-nobody-ends", (*lab).shutDown, "\xff\x00", "\x88\x02\x03\xe9", false, linger},
		{"gateway-no-answer", (*lab).shutDown, "", "", false, left},
		{"gateway-no-client", (*lab).shutDown, "", "\x88\x02\x03\xe9", false, left},
		{"gateway-no-backend", (*lab).shutDown, "\xff\x00", "", false, left},
		{"client-talks-on", (*lab).shutDown, flood(4*wiretest.Size, "\x00", "\xff"), "\x88\x02\x03\xe9", false, left},
		{"backend-talks-on", (*lab).shutDown, "\xff\x00", flood(4*wiretest.Size, "\x81\x7e\x80\x00", ""), false, left},
	} {
		t.Run(test.id, func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Close: limit}}, func(l *lab) {
				l.opened(legacy.Hixie76)
				test.begin(l)
				time.Sleep(lastCall)
				synctest.Wait()
				go l.clientSays(test.client)
				go l.backendSays(test.backend)
				if test.hangUp {
					l.hangUp()
				}
				if test.after > 0 {
					time.Sleep(test.after - 1)
					synctest.Wait()
					if n := l.gw.Stats().Open[legacy.Hixie76]; n != 1 {
						t.Errorf("over before %v", test.after)
					}
					time.Sleep(time.Nanosecond)
				}
				synctest.Wait()
				if n := l.gw.Stats().Open[legacy.Hixie76]; n != 0 {
					t.Errorf("not over after %v", test.after)
				}
			})
		})
	}
}

func (l *lab) shutDown() { go l.gw.Shutdown(l.Context()) }

// What comes before the gateway's own goodbye arrives before it.
// It was read and dropped.
func TestLastCall(t *testing.T) {
	for d, bye := range map[legacy.Dialect]string{legacy.Hixie75: "", legacy.Hixie76: "\xff\x00"} {
		t.Run(d.String(), func(t *testing.T) {
			inLab(t, Options{}, func(l *lab) {
				l.opened(d)
				l.shutDown()
				if !l.ending() {
					t.Fatal("not shut down")
				}
				l.backendSays(helloUp)
				l.clientSays(hello)
				time.Sleep(lastCall)
				l.clientGets(hello + bye)
				l.clientEnded()
				l.backendGets(helloUp + closed1001)
				l.hangUp()
				l.closed(ByGateway, ShuttingDown)
			})
		})
	}
}

// After FF 00 and Close nothing is said, whatever is still heard.
func TestNothingAfterGoodbye(t *testing.T) {
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		t.Run(d.String(), func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Ping: time.Second}}, func(l *lab) {
				l.opened(d)
				l.shutDown()
				time.Sleep(lastCall)
				l.clientGets(map[legacy.Dialect]string{legacy.Hixie76: "\xff\x00"}[d])
				l.backendGets(closed1001)
				for range 3 {
					l.backendSays(ping + helloUp)
					l.clientSays(hello)
					l.clientGets("")
					l.backendGets("")
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// A side that takes nothing any more may still say why. If it says nothing, it
// is over at the close timeout.
func TestBrokenForWriting(t *testing.T) {
	for _, test := range []struct {
		id     string
		broken func(l *lab)
		last   func(l *lab)
		after  time.Duration
		by     Side
		reason Reason
	}{
		{"backend-closes", breaksBackend, func(l *lab) { l.backendSays("\x88\x00") }, 0, ByBackend, BackendClosed},
		{"backend-ends", breaksBackend, func(l *lab) { l.backend.CloseWrite() }, 0, ByBackend, BackendGone},
		{"backend-says-nothing", breaksBackend, nil, 5 * time.Second, ByBackend, BackendGone},
		{"client-closes", breaksClient, func(l *lab) { l.clientSays("\xff\x00") }, 0, ByClient, ClientClosed},
		{"client-ends", breaksClient, func(l *lab) { l.client.CloseWrite() }, 0, ByClient, ClientGone},
		{"client-says-nothing", breaksClient, nil, 5 * time.Second, ByClient, ClientCut},
	} {
		t.Run(test.id, func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Close: 5 * time.Second}}, func(l *lab) {
				l.opened(legacy.Hixie76)
				test.broken(l)
				synctest.Wait()
				if test.last != nil {
					test.last(l)
				}
				time.Sleep(test.after)
				synctest.Wait()
				for c := range l.gw.registry.conns {
					if c.End() == nil {
						t.Error("nothing has ended")
					}
				}
				l.hangUp()
				l.closed(test.by, test.reason)
			})
		})
	}
}

func breaksBackend(l *lab) {
	l.backend.StopReading()
	l.clientSays(hello)
}

func breaksClient(l *lab) {
	l.client.StopReading()
	l.backendSays(helloUp)
}

// A client that does not read what it asked for before does not take its 101
// either. It was waited for without a limit, and counted nowhere.
func TestAnswerIsNotTaken(t *testing.T) {
	const head13 = "GET /demo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	for d, tt := range map[legacy.Dialect]struct{ head, farewell string }{
		legacy.Hixie75: {labHead75, closed1001},
		legacy.Hixie76: {labHead76, closed1001},
		legacy.RFC6455: {head13, ""},
	} {
		t.Run(d.String(), func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Write: 7 * time.Second}}, func(l *lab) {
				l.unread = wiretest.Size
				l.open("")
				l.clientSays(tt.head)
				time.Sleep(7*time.Second - 1)
				l.backendGets("")
				time.Sleep(time.Nanosecond)
				l.backendGets(tt.farewell)
				if got := l.gw.Stats().Refused; got[Refused{d, ClientSlow}] != 1 {
					t.Errorf("refused: %v", got)
				}
				l.clientEnded()
			})
		})
	}
}
