package translate_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// An ending is what one side does, and what both sides and the gateway say of
// it. Before it, a message has passed each way.
type ending struct {
	id       string
	dialects []legacy.Dialect // nil = both
	options  func(*translate.Options)
	act      func(r *rig, c *client, b *backendConn)
	up       []string // what the backend still gets, before the Close
	bye      string   // the Close, "" = none
	down     string   // what the client still gets
	clean    bool     // and then FF 00, if it is one of -76
	gone     bool     // the side that acts has reset TCP and gets nothing
	by       translate.Side
	reason   translate.Reason
}

func clientSays(s string) func(*rig, *client, *backendConn) {
	return func(_ *rig, c *client, _ *backendConn) { c.say(s) }
}

func clientEnds(s string) func(*rig, *client, *backendConn) {
	return func(_ *rig, c *client, _ *backendConn) {
		c.say(s)
		c.CloseWrite()
	}
}

func backendSays(s string) func(*rig, *client, *backendConn) {
	return func(_ *rig, _ *client, b *backendConn) { b.say(s) }
}

func backendEnds(s string) func(*rig, *client, *backendConn) {
	return func(_ *rig, _ *client, b *backendConn) {
		b.say(s)
		b.CloseWrite()
	}
}

// inPieces says what the client is to see at once, and then the rest.
func inPieces(first, seen, rest string) func(*rig, *client, *backendConn) {
	return func(_ *rig, c *client, b *backendConn) {
		b.say(first)
		c.get(seen)
		b.say(rest)
	}
}

func shutsDown(r *rig, _ *client, _ *backendConn) { go r.gw.Shutdown(context.Background()) }

func limited(o *translate.Options)   { o.Limits.Message = 8 }
func asClose(o *translate.Options)   { o.Binary = translate.BinaryClose }
func asText(o *translate.Options)    { o.Binary = translate.BinaryText }
func last(frames ...string) []string { return append([]string{text("last")}, frames...) }

var (
	only75 = []legacy.Dialect{legacy.Hixie75}
	only76 = []legacy.Dialect{legacy.Hixie76}
)

var clientEndings = []ending{
	{id: "closes", dialects: only76, act: clientSays("\x00last\xff\xff\x00\x00late\xff"), up: last(), bye: bye(1000), clean: true, reason: translate.ClientClosed},
	{id: "closes-in-long-form", dialects: only76, act: clientSays("\xff\x80\x80\x00"), bye: bye(1000), clean: true, reason: translate.ClientClosed},
	{id: "fin-75", dialects: only75, act: clientEnds("\x00last\xff"), up: last(), bye: bye(1000), reason: translate.ClientClosed},
	{id: "fin-76", dialects: only76, act: clientEnds("\x00last\xff"), up: last(), bye: bye(1001), reason: translate.ClientGone},
	{id: "fin-behind-skipped", dialects: only76, act: clientEnds("\x80\x00\x01\xff"), bye: bye(1001), reason: translate.ClientGone},
	{id: "fin-behind-type", act: clientEnds("\x00last\xff\x00"), up: last(), bye: bye(1001), reason: translate.ClientCut},
	{id: "fin-in-message", act: clientEnds("\x00last\xff\x00part"), up: last(), bye: bye(1001), reason: translate.ClientCut},
	{id: "fin-in-other-type", act: clientEnds("\x01part"), bye: bye(1001), reason: translate.ClientCut},
	{id: "fin-in-length", act: clientEnds("\x80\x85"), bye: bye(1001), reason: translate.ClientCut},
	{id: "fin-in-skipped", act: clientEnds("\x80\x05ab"), bye: bye(1001), reason: translate.ClientCut},
	{id: "fin-in-closing", dialects: only76, act: clientEnds("\xff"), bye: bye(1001), reason: translate.ClientCut},
	{id: "rst", act: func(_ *rig, c *client, b *backendConn) {
		reset(c.TCPConn)
	}, bye: bye(1001), gone: true, reason: translate.ClientCut},
	{id: "rst-in-message", act: func(_ *rig, c *client, b *backendConn) {
		c.say("\x00last\xff\x00part")
		b.get(text("last"))
		reset(c.TCPConn)
	}, bye: bye(1001), gone: true, reason: translate.ClientCut},
	{id: "too-big", options: limited, act: clientSays("\x00last\xff\x00123456789"), up: last(), bye: bye(1009), clean: true, reason: "message-too-big"},
	{id: "skip-too-big", act: clientSays("\x00last\xff\x01" + noise(1<<20+1)), up: last(), bye: bye(1002), reason: "skip-too-big"},
	{id: "length-too-big", act: clientSays("\x00last\xff\x80\xc0\x80\x01"), up: last(), bye: bye(1002), reason: "skip-too-big"},
	{id: "length-2-to-63", act: clientSays("\x80" + strings.Repeat("\xff", 8) + "\x7f"), bye: bye(1002), reason: "skip-too-big"},
	{id: "http", act: clientSays("GET / HTTP/1.1\r\n\r\n" + noise(1<<20)), bye: bye(1002), reason: "skip-too-big"},
	{id: "closes-inside-message-down", dialects: only76, act: func(_ *rig, c *client, b *backendConn) {
		b.say("\x01\x04part")
		c.get("\x00part")
		c.say("\xff\x00")
	}, bye: bye(1000), reason: translate.ClientClosed},
}

var backendEndings = []ending{
	{id: "close", act: backendSays(text("last") + bye(1000, "ok") + text("late")), down: "\x00last\xff", bye: bye(1000), clean: true, reason: translate.BackendClosed},
	{id: "close-1001", act: backendSays(bye(1001)), bye: bye(1001), clean: true, reason: translate.BackendClosed},
	{id: "close-1011", act: backendSays(bye(1011)), bye: bye(1011), clean: true, reason: translate.BackendClosed},
	{id: "close-1013", act: backendSays(bye(1013)), bye: bye(1013), clean: true, reason: translate.BackendClosed},
	{id: "close-3000", act: backendSays(bye(3000)), bye: bye(3000), clean: true, reason: translate.BackendClosed},
	{id: "close-4999", act: backendSays(bye(4999, noise(123))), bye: bye(4999), clean: true, reason: translate.BackendClosed},
	{id: "close-empty", act: backendSays("\x88\x00"), bye: "\x88\x00", clean: true, reason: translate.BackendClosed},
	{id: "close-and-eof", act: backendEnds(text("last") + bye(1000)), down: "\x00last\xff", bye: bye(1000), clean: true, reason: translate.BackendClosed},
	{id: "close-inside-message", act: inPieces("\x01\x04part", "\x00part", bye(1000)), bye: bye(1000), reason: translate.BackendClosed},
	{id: "close-inside-frames", act: inPieces("\x01\x00", "\x00", bye(1000)), bye: bye(1000), reason: translate.BackendClosed},
	{id: "close-inside-message-at-once", act: backendSays(text("last") + "\x01\x04part" + bye(1000)), down: "\x00last\xff", bye: bye(1000), clean: true, reason: translate.BackendClosed},
	{id: "eof", act: backendEnds(text("last")), down: "\x00last\xff", reason: translate.BackendGone},
	{id: "eof-inside-frame", act: backendEnds("\x81\x05part"), down: "\x00part", reason: translate.BackendGone},
	{id: "eof-inside-message", act: backendEnds("\x01\x04part"), down: "\x00part", reason: translate.BackendGone},
	{id: "eof-inside-header", act: backendEnds(text("last") + "\x81\x7e\x00"), down: "\x00last\xff", reason: translate.BackendGone},
	{id: "eof-inside-close", act: backendEnds("\x88\x02\x03"), reason: translate.BackendGone},
	{id: "rst", act: func(_ *rig, c *client, b *backendConn) { reset(b.TCPConn) }, gone: true, reason: translate.BackendGone},

	{id: "masked", act: backendSays(text("last") + "\x81\x82\x00\x00\x00\x00hi"), down: "\x00last\xff", bye: bye(1002), reason: "mask"},
	{id: "rsv", act: backendSays("\xc1\x00"), bye: bye(1002), reason: "rsv"},
	{id: "opcode", act: backendSays("\x83\x00"), bye: bye(1002), reason: "opcode"},
	{id: "fragmented-control", act: backendSays("\x09\x00"), bye: bye(1002), reason: "fragmented-control"},
	{id: "control-too-long", act: backendSays("\x89\x7e\x00\x7e"), bye: bye(1002), reason: "control-too-long"},
	{id: "unexpected-continuation", act: backendSays("\x80\x00"), bye: bye(1002), reason: "unexpected-continuation"},
	{id: "expected-continuation", act: inPieces("\x01\x04part", "\x00part", "\x81\x01b"), bye: bye(1002), reason: "expected-continuation"},
	{id: "non-minimal-length", act: backendSays("\x81\x7e\x00\x05hello"), bye: bye(1002), reason: "non-minimal-length"},
	{id: "length-msb", act: backendSays("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), bye: bye(1002), reason: "length-msb"},
	{id: "close-1-byte", act: backendSays("\x88\x01\x03"), bye: bye(1002), reason: "close-1-byte"},
	{id: "close-code", act: backendSays(bye(1005)), bye: bye(1002), reason: "close-code"},
	{id: "close-reason-utf8", act: backendSays(bye(1000, "\xff")), bye: bye(1007), reason: "close-reason-utf8"},

	{id: "utf8", act: backendSays(text("last") + text("good\xc3\x28")), down: "\x00last\xff", bye: bye(1007), reason: translate.InvalidUTF8},
	{id: "utf8-ff", act: backendSays(text("a\xffb")), bye: bye(1007), reason: translate.InvalidUTF8},
	{id: "utf8-surrogate", act: backendSays(text("\xed\xa0\x80")), bye: bye(1007), reason: translate.InvalidUTF8},
	{id: "utf8-incomplete", act: inPieces("\x01\x04part", "\x00part", "\x80\x01\xc3"), bye: bye(1007), reason: translate.InvalidUTF8},
	{id: "utf8-late", act: inPieces("\x01\x04part", "\x00part", "\x80\x01\xff"), bye: bye(1007), reason: translate.InvalidUTF8},
	{id: "binary", options: asClose, act: backendSays(text("last") + "\x82\x03abc"), down: "\x00last\xff", bye: bye(1003), clean: true, reason: translate.BinaryMessage},
	{id: "binary-fragment", options: asClose, act: backendSays("\x02\x01a"), bye: bye(1003), clean: true, reason: translate.BinaryMessage},
	{id: "binary-empty", options: asClose, act: backendSays("\x82\x00"), bye: bye(1003), clean: true, reason: translate.BinaryMessage},
	{id: "binary-no-text", options: asText, act: backendSays("\x82\x02\xc3\x28"), bye: bye(1003), clean: true, reason: translate.BinaryMessage},
	{id: "binary-no-text-in-two-reads", options: asText, act: inPieces("\x82\x05part", "", "\xff"), bye: bye(1003), clean: true, reason: translate.BinaryMessage},
	{id: "binary-no-text-late", options: asText, act: inPieces("\x02\x04part", "\x00part", "\x80\x01\xff"), bye: bye(1003), reason: translate.BinaryMessage},
	{id: "too-big", options: limited, act: backendSays(text("last") + "\x81\x09"), down: "\x00last\xff", bye: bye(1009), clean: true, reason: "message-too-big"},
	{id: "too-big-fragment", options: limited, act: inPieces("\x01\x05hello", "\x00hello", "\x80\x04"), bye: bye(1009), reason: "message-too-big"},
}

var gatewayEndings = []ending{
	{id: "shutdown", act: shutsDown, bye: bye(1001), clean: true, reason: translate.ShuttingDown},
	{id: "shutdown-inside-message-up", act: func(r *rig, c *client, b *backendConn) {
		c.say("\x00last\xff\x00part")
		b.get(text("last"))
		shutsDown(r, c, b)
	}, bye: bye(1001), clean: true, reason: translate.ShuttingDown},
	{id: "shutdown-inside-message-down", act: func(r *rig, c *client, b *backendConn) {
		b.say("\x01\x04part")
		c.get("\x00part")
		shutsDown(r, c, b)
	}, bye: bye(1001), reason: translate.ShuttingDown},
}

// Promises 6, 7 and 8: however it ends, what came before has been delivered,
// both sides hear of it, once and in their own words, and there is a reason.
func TestEndings(t *testing.T) {
	for _, group := range []struct {
		by      translate.Side
		endings []ending
	}{{translate.ByClient, clientEndings}, {translate.ByBackend, backendEndings}, {translate.ByGateway, gatewayEndings}} {
		for _, e := range group.endings {
			e.by = group.by
			if e.dialects == nil {
				e.dialects = both
			}
			for _, d := range e.dialects {
				t.Run(fmt.Sprintf("%s-%s-%s", e.by, e.id, d), func(t *testing.T) { e.run(t, d) })
			}
		}
	}
}

func (e ending) run(t *testing.T, d legacy.Dialect) {
	var changes []func(*translate.Options)
	if e.options != nil {
		changes = append(changes, e.options)
	}
	r := newRig(t, changes...)
	c, b := r.open(d)
	c.say("\x00up\xff")
	b.get(text("up"))
	b.say(text("down"))
	c.get("\x00down\xff")

	e.act(r, c, b)
	if !e.gone || e.by == translate.ByClient {
		frames := e.up
		if e.bye != "" {
			frames = append(frames, e.bye)
		}
		b.get(frames...)
		if e.by != translate.ByBackend {
			b.say(e.bye)
		}
		b.end()
	}
	if !e.gone || e.by == translate.ByBackend {
		want := e.down
		if e.clean && d == legacy.Hixie76 {
			want += "\xff\x00"
		}
		c.end(want)
		c.Close()
	}
	if !e.gone || e.by == translate.ByClient {
		b.over()
	}
	r.closed(translate.Closed{Dialect: d, By: e.by, Reason: e.reason})
	r.log.want(t, "connection closed", map[string]any{
		"dialect": d.String(), "by": string(e.by), "reason": string(e.reason), "path": "/demo", "client": c.LocalAddr().String(),
	})
	if n := r.gw.Stats(); n.Open[d] != 0 || n.Opened[d] != 1 {
		t.Errorf("open %v, opened %v", n.Open, n.Opened)
	}
}

// The line of the end counts the messages of the connection, and their bytes as
// the side gets them that they are for.
func TestClosedCounts(t *testing.T) {
	r := newRig(t)
	c, b := r.open(legacy.Hixie76)
	c.say("\x00abc\xff\x00\xff\x01skipped\xff\x80\x02xx\x00\xc3\x28\xff")
	b.get(text("abc"), text(""), text("\ufffd("))
	b.say(text("de") + "\x01\x01f\x89\x00\x80\x01g" + text(""))
	c.get("\x00de\xff\x00fg\xff\x00\xff")
	b.get("\x8a\x00")
	c.say("\xff\x00")
	b.end(bye(1000))
	c.end("\xff\x00")
	c.Close()
	traffic := translate.Traffic{MessagesUp: 3, BytesUp: 7, MessagesDown: 3, BytesDown: 4}
	r.log.want(t, "connection closed", map[string]any{"messages_up": 3, "bytes_up": 7, "messages_down": 3, "bytes_down": 4, "error": nil})
	r.closed(translate.Closed{Dialect: legacy.Hixie76, By: translate.ByClient, Reason: translate.ClientClosed})
	if s := r.gw.Stats(); s.Traffic[legacy.Hixie76] != traffic || s.Skipped != 2 || s.Repaired != 1 {
		t.Errorf("%+v, want %+v, 2 skipped, 1 repaired", s, traffic)
	}
}

// What a backend says in its Close has no place in -75 and -76: it is in the
// log.
func TestClosedError(t *testing.T) {
	r := newRig(t)
	c, b := r.open(legacy.Hixie75)
	b.say(bye(4000, "out of cheese\n"))
	b.end(bye(4000))
	c.end("")
	c.Close()
	r.log.want(t, "connection closed", map[string]any{"error": `the backend closed with 4000 "out of cheese\n"`})
}

// A message that is cut in the middle has begun for the backend if it is larger
// than a buffer. It never gets its last fragment.
func TestCutMessageIsNeverWhole(t *testing.T) {
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t)
			c, b := r.open(d)
			message := noise(300 << 10)
			c.say("\x00" + message)
			var got strings.Builder
			for len(message)-got.Len() > 64<<10 {
				frame, err := b.readFrame()
				if err != nil || frame[0]&0x80 != 0 {
					t.Fatalf("got %.50q, %v", frame, err)
				}
				got.WriteString(payload(frame))
			}
			c.CloseWrite()
			for {
				frame, err := b.readFrame()
				if err != nil {
					t.Fatal(err)
				}
				if frame == bye(1001) {
					break
				}
				if frame[0]&0x80 != 0 {
					t.Fatalf("a last fragment: %.50q", frame)
				}
				got.WriteString(payload(frame))
			}
			if !strings.HasPrefix(message, got.String()) {
				t.Error("the fragments are not of the message")
			}
			b.end()
			c.end("")
			r.closed(translate.Closed{Dialect: d, By: translate.ByClient, Reason: translate.ClientCut})
		})
	}
}

// payload is that of an unmasked frame.
func payload(frame string) string {
	switch frame[1] {
	case 126:
		return frame[4:]
	case 127:
		return frame[10:]
	}
	return frame[2:]
}

// Both sides close at once: each hears it once.
func TestBothCloseAtOnce(t *testing.T) {
	r := newRig(t)
	for range 50 {
		c, b := r.open(legacy.Hixie76)
		var wg sync.WaitGroup
		wg.Go(func() { io.WriteString(c, "\xff\x00") })
		wg.Go(func() { io.WriteString(b, bye(1000)) })
		wg.Wait()
		b.end(bye(1000))
		c.end("\xff\x00")
		c.Close()
	}
	eventually(t, func() bool {
		var n int64
		for _, count := range r.gw.Stats().Closed {
			n += count
		}
		return n == 50
	}, func() any { return r.gw.Stats() })
}

// To -75, FF 00 is a frame like any other that it does not know.
func TestClosingFrameOf75(t *testing.T) {
	r := newRig(t)
	c, b := r.open(legacy.Hixie75)
	c.say("\xff\x00\x00on\xff")
	b.get(text("on"))
	b.say(text("and on"))
	c.get("\x00and on\xff")
}

// A legacy client knows no binary messages. What becomes of one is a matter of
// configuration, and the connection may go on.
func TestBinaryPolicies(t *testing.T) {
	for _, test := range []struct {
		policy  translate.BinaryPolicy
		down    string
		dropped int64
	}{
		{translate.BinaryBase64, "\x00YWJjZA==\xff\x00\xff\x00/w==\xff", 0},
		{translate.BinaryDrop, "", 3},
		{translate.BinaryText, "\x00abcd\xff\x00\xff", 0},
	} {
		for _, d := range both {
			t.Run(fmt.Sprint(test.policy, d), func(t *testing.T) {
				r := newRig(t, func(o *translate.Options) { o.Binary = test.policy })
				c, b := r.open(d)
				b.say("\x02\x01a\x00\x02bc\x80\x01d\x82\x00")
				if test.policy != translate.BinaryText {
					b.say("\x82\x01\xff")
				}
				b.say(text("on"))
				c.get(test.down + "\x00on\xff")
				c.Close()
				b.Close()
				eventually(t, func() bool { return len(r.gw.Stats().Closed) > 0 }, func() any { return r.gw.Stats() })
				if got := r.gw.Stats().Dropped; got != test.dropped {
					t.Errorf("%d messages dropped, want %d", got, test.dropped)
				}
			})
		}
	}
}

// A Ping is answered with what it says, from between the messages and from
// inside one; a Pong is taken.
func TestPings(t *testing.T) {
	for _, d := range both {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t)
			c, b := r.open(d)
			for _, said := range []string{"", "a", "\x00\xff", noise(125)} {
				b.say("\x01\x01(\x89" + string(rune(len(said))) + said + "\x8a\x04what\x80\x01)")
				b.get("\x8a" + string(rune(len(said))) + said)
				c.get("\x00()\xff")
			}
		})
	}
}
