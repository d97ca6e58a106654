package translate

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
)

const (
	closed1001 = "\x88\x02\x03\xe9"
	hello      = "\x00hello\xff"
	helloUp    = "\x81\x05hello"
)

var labHeadDeclared = strings.Replace(labHead76, "\r\n\r\n", "\r\nContent-Length: 8\r\n\r\n", 1)

// The head of a -76 answer waits for no byte of key3, and until the challenge
// response is out nothing passes in either direction.
func TestKey3HeldBack(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.open("\x81\x04rest")
		l.clientSays(labHead76)
		l.clientGets(labAnswer76)
		l.backendSays("\x81\x04more")
		for i := range len(labKey3) - 1 {
			l.clientSays(labKey3[i : i+1])
			l.clientGets("")
			l.backendGets("")
			time.Sleep(time.Second / 2) // all of it within the timeout
		}
		if l.backend.Unread() != len("\x81\x04more") {
			t.Error("what the backend says is read before the client's handshake is complete")
		}
		l.clientSays(labKey3[7:] + hello)
		l.clientGets(labDigest + "\x00rest\xff\x00more\xff")
		l.backendGets(helloUp)
	})
}

// If key3 is there, the answer is one write; frames behind it are not lost,
// wherever they are cut.
func TestKey3Glued(t *testing.T) {
	all := labHead76 + labKey3 + hello
	for cut := len(labHead76); cut <= len(all); cut++ {
		inLab(t, Options{}, func(l *lab) {
			l.open("")
			l.clientSays(all[:cut])
			if cut < len(labHead76)+len(labKey3) {
				l.clientGets(labAnswer76)
				l.clientSays(all[cut:])
				l.clientGets(labDigest)
			} else {
				l.clientGets(labAnswer76 + labDigest)
				l.clientSays(all[cut:])
			}
			l.backendGets(helloUp)
		})
	}
}

// A client without key3 has no connection: both sides are closed, the backend
// with a word, and the reason is counted.
func TestKey3Never(t *testing.T) {
	for _, test := range []struct {
		id, key3 string
		leave    bool
		after    time.Duration
		reason   string
	}{
		{"never", "", false, 3 * time.Second, legacy.Key3Timeout},
		{"some", labKey3[:7], false, 3 * time.Second, legacy.Key3Timeout},
		{"left", "", true, 0, legacy.Key3Missing},
		{"left-in-between", labKey3[:7], true, 0, legacy.Key3Missing},
	} {
		t.Run(test.id, func(t *testing.T) {
			inLab(t, Options{Timeouts: Timeouts{Key3: 3 * time.Second}}, func(l *lab) {
				l.open("")
				l.clientSays(labHead76 + test.key3)
				l.clientGets(labAnswer76)
				l.backendSays("\x81\x07welcome") // is never read, which must not cost the Close
				if test.leave {
					l.client.CloseWrite()
				}
				synctest.Wait()
				time.Sleep(test.after)
				l.backendGets(closed1001)
				l.after(test.after)
				l.clientGets("")
				if !l.client.Ended() || !l.backend.Ended() {
					t.Error("one side is open")
				}
				if n := l.gw.Stats().Refused[Refused{legacy.Hixie76, Reason(test.reason)}]; n != 1 {
					t.Errorf("refused %v, want one %s", l.gw.Stats().Refused, test.reason)
				}
			})
		})
	}
}

// A declared key3 is waited for before the 101, but for a second at the most:
// whoever declares it may still hold it back until it has seen the 101.
func TestKey3Declared(t *testing.T) {
	for _, test := range []struct {
		id, before, behind string
		waits              bool
	}{
		{"sent", labKey3, "", false},
		{"sent-with-frames", labKey3 + hello, helloUp, false},
		{"held-back", "", "", true},
		{"half-held-back", labKey3[:4], "", true},
	} {
		t.Run(test.id, func(t *testing.T) {
			inLab(t, Options{}, func(l *lab) {
				l.open("")
				l.clientSays(labHeadDeclared + test.before)
				if test.waits {
					l.clientGets("")
					time.Sleep(time.Second)
					l.clientGets(labAnswer76)
					l.after(time.Second)
					l.clientSays(labKey3[len(test.before):])
					l.clientGets(labDigest)
				} else {
					l.clientGets(labAnswer76 + labDigest)
				}
				l.backendGets(test.behind)
				l.clientSays(hello)
				l.backendGets(helloUp)
				l.backendSays(helloUp)
				l.clientGets(hello)
			})
		})
	}
}
