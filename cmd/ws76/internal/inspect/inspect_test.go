package inspect

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
	"github.com/ws76/ws76/translate/proxies"
)

const head = "GET /chat?token=sesame HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: chat.example\r\nOrigin: http://chat.example\r\nCookie: sid=secret1\r\n" +
	"Authorization: Basic secret2\r\nSec-WebSocket-Protocol: secret3\r\nReferer: http://chat.example/?token=sesame\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5?x\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n"

// opened is a connection of a dialect.
func opened(i *Inspector, d legacy.Dialect) *conn {
	key3 := [8]byte([]byte("^n:ds[4U"))
	return i.Handshake(&translate.Exchange{
		Began: now(), Dialect: d, Client: "192.0.2.7:4711", Path: "/chat", UserAgent: "Old Browser", Key3: &key3,
		Request: []byte(head), Forwarded: []byte("GET /chat?token=sesame HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nCookie: sid=secret1\r\n\r\n"),
		Answer:   []byte("HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: sid=secret4\r\n\r\n"),
		Response: []byte("HTTP/1.1 101 WebSocket Protocol Handshake\r\nSec-WebSocket-Location: ws://chat.example/chat?token=sesame\r\nSet-Cookie: sid=secret4\r\n\r\n8jKS'y:G*Co,Wxa-"),
	}).(*conn)
}

// said is bytes from a side, or to it: "client<" is read from the client.
type said struct{ where, bytes string }

func feed(c *conn, all []said, size int) {
	for _, s := range all {
		side := translate.Side(s.where[:len(s.where)-1])
		for b := []byte(s.bytes); len(b) > 0; {
			n := min(size, len(b))
			c.Bytes(side, strings.HasSuffix(s.where, ">"), b[:n])
			b = b[n:]
		}
	}
}

func (w *wire) String() string {
	if w == nil {
		return "-"
	}
	s, at := fmt.Sprintf("@%d ", w.Offset), 0
	for _, p := range w.Parts {
		s += fmt.Sprintf("%c[%x]", p.what, []byte(w.Bytes[at:at+int(p.size)]))
		at += int(p.size)
	}
	return s
}

func (r row) String() string {
	s := fmt.Sprintf("%s %s %s | %s", r.From, r.Kind, r.Client, r.Backend)
	if r.Code > 0 {
		s += fmt.Sprintf(" %d %q", r.Code, r.Reason)
	}
	if len(r.Notes) > 0 {
		s += " (" + strings.Join(r.Notes, "; ") + ")"
	}
	return s
}

// Each conversation is fed whole and byte by byte, and makes the same rows.
func TestRows(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialect legacy.Dialect
		binary  translate.BinaryPolicy
		said    []said
		want    []string
	}{
		{"a message each way", legacy.Hixie76, "", []said{
			{"client<", "\x00Hello\xff"}, {"backend>", "\x81\x85\x01\x02\x03\x04Igohn"}, {"backend<", "\x81\x02Hi"}, {"client>", "\x00Hi\xff"},
		}, []string{
			"client text @0 h[00]p[48656c6c6f]t[ff] | @0 h[8185]k[01020304]p[49676f686e]",
			"backend text @0 h[00]p[4869]t[ff] | @0 h[8102]p[4869]",
		}},
		{"two at once", legacy.Hixie75, "", []said{
			{"client<", "\x00a\xff\x00b\xff"}, {"backend>", "\x81\x81\x00\x00\x00\x00a\x81\x81\x00\x00\x00\x00b"},
		}, []string{
			"client text @0 h[00]p[61]t[ff] | @0 h[8181]k[00000000]p[61]",
			"client text @3 h[00]p[62]t[ff] | @7 h[8181]k[00000000]p[62]",
		}},
		{"joined fragments", legacy.Hixie76, "", []said{{"backend<", "\x01\x01a\x00\x01b\x80\x00"}, {"client>", "\x00ab\xff"}}, []string{
			"backend text @0 h[00]p[6162]t[ff] | @0 h[0101]p[61]h[0001]p[62]h[8000] (ws76 joined 3 fragments: -75 and -76 have none)",
		}},
		{"fragments to the backend", legacy.Hixie76, "", []said{{"client<", "\x00ab\xff"}, {"backend>", "\x01\x81\x00\x00\x00\x00a\x80\x81\x00\x00\x00\x00b"}}, []string{
			"client text @0 h[00]p[6162]t[ff] | @0 h[0181]k[00000000]p[61]h[8081]k[00000000]p[62] (ws76 sent it in 2 fragments, as it came)",
		}},
		{"U+FFFD", legacy.Hixie76, "", []said{{"client<", "\x00\xe9\xff"}, {"backend>", "\x81\x83\x00\x00\x00\x00\xef\xbf\xbd"}}, []string{
			"client text @0 h[00]p[e9]t[ff] | @0 h[8183]k[00000000]p[efbfbd] (not UTF-8: ws76 put U+FFFD in, because a message must be UTF-8 (RFC 6455 section 5.6, -76 section 5.3))",
		}},
		{"skipped frames", legacy.Hixie76, "", []said{{"client<", "\x80\x03abc\x05xy\xff"}}, []string{
			"client skipped @0 h[8003]p[616263] | - (a frame of the reserved type 0x80 with 3 bytes: ws76 discarded it (-76 section 5.3))",
			"client skipped @5 h[05]p[7879]t[ff] | - (a frame of the reserved type 0x05 with 2 bytes: ws76 discarded it (-76 section 5.3))",
		}},
		{"Pings", legacy.Hixie76, "", []said{
			{"backend<", "\x89\x01x\x89\x01y"}, {"backend>", "\x8a\x81\x00\x00\x00\x00y"}, {"backend>", "\x89\x80\x00\x00\x00\x00"}, {"backend<", "\x8a\x00"},
		}, []string{
			"backend ping - | @0 h[8901]p[78]",
			"backend ping - | @3 h[8901]p[79] (answered by ws76)",
			"ws76 pong - | @0 h[8a81]k[00000000]p[79] (ws76 answers the Ping: the client, of -76, knows none)",
			"ws76 ping - | @7 h[8980]k[00000000] (ws76 asks whether the backend still answers (WS76_PING_INTERVAL))",
			"backend pong - | @6 h[8a00] (the answer to a Ping of ws76: the client, of -76, knows no Pong)",
		}},
		{"dropped binary", legacy.Hixie76, translate.BinaryDrop, []said{{"backend<", "\x82\x01x\x81\x01y"}, {"client>", "\x00y\xff"}}, []string{
			"backend binary - | @0 h[8201]p[78] (binary: dropped (WS76_BINARY=drop): -75 and -76 carry text only)",
			"backend text @0 h[00]p[79]t[ff] | @3 h[8101]p[79]",
		}},
		{"binary as text", legacy.Hixie76, translate.BinaryText, []said{{"backend<", "\x82\x01x"}, {"client>", "\x00x\xff"}}, []string{
			"backend binary @0 h[00]p[78]t[ff] | @0 h[8201]p[78] (binary: sent as text if it is UTF-8 (WS76_BINARY=text): -75 and -76 carry text only)",
		}},
		{"the client closes", legacy.Hixie76, "", []said{
			{"client<", "\xff\x00late"}, {"backend>", "\x88\x82\x00\x00\x00\x00\x03\xe8"}, {"client>", "\xff\x00"}, {"backend<", "\x88\x02\x03\xe8"},
		}, []string{
			"client close @0 h[ff00] | @0 h[8882]k[00000000]p[03e8] 1000 \"\"",
			"client other @2 p[6c617465] | - (behind FF 00: does not count any more)",
			"ws76 close @0 h[ff00] | - (ws76 answers the close of this side)",
			"backend close - | @0 h[8802]p[03e8] 1000 \"\" (the code goes no further: FF 00 of -76 and the end of TCP of -75 have no room for one)",
		}},
		{"the backend closes", legacy.Hixie76, "", []said{
			{"backend<", "\x88\x07\x0f\xa1bored"}, {"backend>", "\x88\x82\x00\x00\x00\x00\x0f\xa1"}, {"client>", "\xff\x00"},
		}, []string{
			"backend close @0 h[ff00] | @0 h[8807]p[0fa1626f726564] 4001 \"bored\" (the code goes no further: FF 00 of -76 and the end of TCP of -75 have no room for one)",
			"ws76 close - | @0 h[8882]k[00000000]p[0fa1] 4001 \"\" (ws76 answers the close of this side)",
		}},
		{"a tunnel", legacy.RFC6455, "", []said{
			{"client<", "\x81\x81\x00\x00\x00\x00a\x89\x80\x00\x00\x00\x00"}, {"backend>", "\x81\x81\x00\x00\x00\x00a\x89\x80\x00\x00\x00\x00"}, {"backend<", "\x8a\x00\xc1\x01z"}, {"client>", "\x8a\x00\xc1\x01z"},
		}, []string{
			"client text @0 h[8181]k[00000000]p[61] | @0 h[8181]k[00000000]p[61]",
			"client ping @7 h[8980]k[00000000] | @7 h[8980]k[00000000]",
			"backend pong @0 h[8a00] | @0 h[8a00]",
			"backend text @2 h[c101]p[7a] | @2 h[c101]p[7a] (compressed with permessage-deflate: shown as it is on the wire)",
		}},
		{"a message each way, legacy backend", legacy.RFC6455, "", []said{
			{"client<", "\x01\x81\x00\x00\x00\x00a\x80\x81\x00\x00\x00\x00b"}, {"backend>", "\x00ab\xff"}, {"backend<", "\x00H\xe9\xff\x80\x01x"}, {"client>", "\x81\x04H\xef\xbf\xbd"},
		}, []string{
			"client text @0 h[0181]k[00000000]p[61]h[8081]k[00000000]p[62] | @0 h[00]p[6162]t[ff] (ws76 joined 2 fragments: -75 and -76 have none)",
			"backend text @0 h[8104]p[48efbfbd] | @0 h[00]p[48e9]t[ff] (not UTF-8: ws76 put U+FFFD in, because a message must be UTF-8 (RFC 6455 section 5.6, -76 section 5.3))",
			"backend skipped - | @4 h[8001]p[78] (a frame of the reserved type 0x80 with 1 bytes: ws76 discarded it (-76 section 5.3))",
		}},
		{"Pings, legacy backend", legacy.RFC6455, "", []said{
			{"client<", "\x89\x81\x00\x00\x00\x00x\x89\x81\x00\x00\x00\x00y"}, {"client>", "\x8a\x01y"}, {"client>", "\x89\x00"}, {"client<", "\x8a\x80\x00\x00\x00\x00"},
		}, []string{
			"client ping @0 h[8981]k[00000000]p[78] | -",
			"client ping @7 h[8981]k[00000000]p[79] | - (answered by ws76)",
			"ws76 pong @0 h[8a01]p[79] | - (ws76 answers the Ping: the backend, of -76, knows none)",
			"ws76 ping @3 h[8900] | - (ws76 asks whether the client still answers (WS76_PING_INTERVAL))",
			"client pong @14 h[8a80]k[00000000] | - (the answer to a Ping of ws76: the backend, of -76, knows no Pong)",
		}},
		{"the client closes, legacy backend", legacy.RFC6455, "", []said{
			{"client<", "\x88\x82\x00\x00\x00\x00\x0f\xa1"}, {"backend>", "\xff\x00"}, {"client>", "\x88\x02\x0f\xa1"}, {"backend<", "\xff\x00"},
		}, []string{
			"client close @0 h[8882]k[00000000]p[0fa1] | @0 h[ff00] 4001 \"\" (the code goes no further: FF 00 of -76 and the end of TCP of -75 have no room for one)",
			"ws76 close @0 h[8802]p[0fa1] | - 4001 \"\" (ws76 answers the close of this side)",
			"backend close - | @0 h[ff00]",
		}},
		{"the backend closes, legacy backend", legacy.RFC6455, "", []said{
			{"backend<", "\xff\x00"}, {"client>", "\x88\x02\x03\xe8"}, {"client<", "\x88\x82\x00\x00\x00\x00\x03\xe8"},
		}, []string{
			"backend close @0 h[8802]p[03e8] | @0 h[ff00] 1000 \"\"",
			"client close @0 h[8882]k[00000000]p[03e8] | - 1000 \"\" (the code goes no further: FF 00 of -76 and the end of TCP of -75 have no room for one)",
		}},
		{"binary and base64, legacy backend", legacy.RFC6455, translate.BinaryBase64, []said{{"client<", "\x82\x81\x00\x00\x00\x00x"}, {"backend>", "\x00eA==\xff"}}, []string{
			"client binary @0 h[8281]k[00000000]p[78] | @0 h[00]p[65413d3d]t[ff] (binary: sent as base64 (WS76_BINARY=base64): -75 and -76 carry text only)",
		}},
		{"binary up", legacy.Hixie76, "", []said{{"client<", "\x00eA==\xff"}, {"backend>", "\x82\x81\x00\x00\x00\x00x"}, {"client>", "\x00ping\xff"}}, []string{
			"client text @0 h[00]p[65413d3d]t[ff] | @0 h[8281]k[00000000]p[78] (base64: sent as the binary message that it stands for (WS76_BINARY_UP=base64))",
			"ws76 text @0 h[00]p[70696e67]t[ff] | - (ws76 keeps the connection from being silent (WS76_KEEPALIVE_TEXT))",
		}},
		{"a tunnel to a legacy backend", legacy.Hixie76, "", []said{
			{"client<", "\x00\xe9\xff\x80\x01x\xff\x00"}, {"backend>", "\x00\xe9\xff\x80\x01x\xff\x00"}, {"backend<", "\x00a\xff\xff\x00"}, {"client>", "\x00a\xff\xff\x00"},
		}, []string{
			"client text @0 h[00]p[e9]t[ff] | @0 h[00]p[e9]t[ff]",
			"client other @3 h[8001]p[78] | @3 h[8001]p[78]",
			"client close @6 h[ff00] | @6 h[ff00]",
			"backend text @0 h[00]p[61]t[ff] | @0 h[00]p[61]t[ff]",
			"backend close @3 h[ff00] | @3 h[ff00]",
		}},
		{"-75 to a legacy backend", legacy.Hixie75, "", []said{{"client<", "\x00\xe9\xff"}, {"backend>", "\x00\xef\xbf\xbd\xff"}, {"backend<", "\xff\x00"}}, []string{
			"client text @0 h[00]p[e9]t[ff] | @0 h[00]p[efbfbd]t[ff] (not UTF-8: ws76 put U+FFFD in, because a message must be UTF-8 (RFC 6455 section 5.6, -76 section 5.3))",
			"backend close - | @0 h[ff00]",
		}},
		{"what nobody can read", legacy.Hixie76, "", []said{{"client<", "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}}, nil},
	} {
		for _, size := range []int{1 << 20, 1} {
			t.Run(fmt.Sprint(tt.name, size), func(t *testing.T) {
				i := New(1<<20, tt.binary)
				x := &translate.Exchange{Dialect: tt.dialect, Backend: legacy.RFC6455, Answer: []byte("Sec-WebSocket-Extensions: permessage-deflate\r\n")}
				if strings.Contains(tt.name, "legacy backend") {
					x.Backend = legacy.Hixie76
				}
				c := i.Handshake(x).(*conn)
				feed(c, tt.said, size)
				rows := allOf(c)
				if tt.want == nil {
					if last := rows[len(rows)-1]; !strings.Contains(last.String(), "cannot be read") {
						t.Errorf("the last row is %s", last)
					}
					return
				}
				var got []string
				for _, r := range rows {
					got = append(got, r.String())
				}
				for n := range max(len(got), len(tt.want)) {
					if n >= len(got) || n >= len(tt.want) || got[n] != tt.want[n] {
						t.Fatalf("row %d of\n%s\nwant\n%s", n, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
					}
				}
			})
		}
	}
}

func allOf(c *conn) []row {
	rows, _ := c.after(-1, math.MaxInt, maxWire)
	return rows
}

func TestEndSaysWhoAndWhy(t *testing.T) {
	i := New(1<<20, "")
	c := opened(i, legacy.Hixie76)
	feed(c, []said{{"client<", "\x00lost\xff"}}, 100)
	c.Closed(translate.End{By: translate.ByGateway, Reason: translate.Idle}, translate.Damage{Fault: proxies.Lost, Change: "a line"})
	rows := allOf(c)
	if !strings.Contains(rows[0].String(), "not passed on") {
		t.Errorf("a message without another side: %s", rows[0])
	}
	if last := rows[len(rows)-1]; last.Kind != ended || last.From != "ws76" || last.Reason != "idle" || len(last.Notes) == 0 {
		t.Errorf("the last row: %+v", last)
	}
	if s := c.summary(); s.State != "ended" || s.Reason != "idle" || s.By != "ws76" || s.Up.Messages != 1 || s.Up.Bytes != 4 {
		t.Errorf("the summary: %+v", s)
	}
	if k := c.card(); k.Damage.Change != "a line" {
		t.Errorf("the damage: %+v", k.Damage)
	}
}

// The total holds for all connections together, what goes is the oldest, and it is counted.
func TestMemory(t *testing.T) {
	const limit = 1 << 20
	i := New(limit, "")
	conns := []*conn{opened(i, legacy.Hixie76), opened(i, legacy.RFC6455), opened(i, legacy.Hixie75)}
	var all sync.WaitGroup
	for n, c := range conns {
		all.Go(func() {
			for range 2000 {
				message := "\x00" + strings.Repeat("x", 1000) + "\xff"
				if c.streams[0].legacy == nil {
					message = "\x81\xfe\x03\xe8\x00\x00\x00\x00" + strings.Repeat("x", 1000)
				}
				c.Bytes(translate.ByClient, false, []byte(message))
				if held := i.held.Load(); held > limit+int64(len(conns))*4096 {
					t.Errorf("%d: %d bytes are held", n, held)
					return
				}
			}
		})
	}
	all.Wait()
	var kept, size, oldest, newest int64
	oldest = i.seq.Load()
	for _, c := range conns {
		size += c.size()
		for _, r := range c.rows {
			kept++
			size += r.size
			oldest, newest = min(oldest, r.Seq), max(newest, r.Seq)
		}
	}
	if held := i.held.Load(); held > limit || held != size || held < limit/2 {
		t.Errorf("%d bytes are held, %d counted", held, size)
	}
	if evicted := i.evicted.Load(); kept+evicted != 6000 || evicted == 0 {
		t.Errorf("%d rows kept, %d evicted, want 6000", kept, evicted)
	}
	for _, c := range conns {
		if len(c.rows) == 0 && c.lost != 2000 || c.summary().Lost+int64(len(c.rows)) != 2000 {
			t.Errorf("connection %d: %d rows, %d lost", c.id, len(c.rows), c.lost)
		}
		for _, r := range c.rows {
			if r.Seq < oldest {
				t.Error("an older row outlived a younger one")
			}
		}
	}
}

// The heads of more open connections than there is room for go too, the oldest first, and
// what those say then is taken by nobody. What broke: all were kept, beyond the total, and
// each message looked at all of them for something to drop, 8 ms with 20,000.
func TestMoreConnectionsThanMemory(t *testing.T) {
	const limit, many = 1 << 20, 2000
	i := New(limit, "")
	var conns []*conn
	for range many {
		conns = append(conns, opened(i, legacy.Hixie76))
		conns[0].Bytes(translate.ByClient, false, []byte("\x00Hello\xff"))
		if held := i.held.Load(); held > limit {
			t.Fatalf("%d bytes are held for %d connections", held, len(conns))
		}
	}
	list := i.list()
	if n := len(list); n < 400 || n > limit/int(conns[0].size()) || list[n-1] != conns[many-1] || list[0] != conns[many-n] {
		t.Errorf("%d of the newest connections are kept, from %d to %d", n, list[0].id, list[n-1].id)
	}
	var all sync.WaitGroup
	for _, c := range conns { // while others end, which makes room
		all.Go(func() {
			c.Bytes(translate.ByBackend, false, []byte("\x81\x02Hi"))
			c.Closed(translate.End{By: translate.ByClient, Reason: translate.ClientGone}, translate.Damage{})
		})
	}
	all.Wait()
	size := int64(0)
	for _, c := range i.list() {
		size += c.size()
		for _, r := range c.rows {
			size += r.size
		}
	}
	if held := i.held.Load(); held != size || len(i.list()) != maxEnded {
		t.Errorf("%d bytes are held, %d counted; %d connections", held, size, len(i.list()))
	}
	if i.find(1) != nil || i.find(i.list()[7].id) != i.list()[7] {
		t.Error("a connection is not found by its number")
	}
}

// A message is kept up to a bound, and its size and payload are those of the wire.
func TestLargeMessage(t *testing.T) {
	i := New(16<<20, "")
	c := opened(i, legacy.Hixie76)
	feed(c, []said{{"client<", "\x00" + strings.Repeat("x", 1<<20) + "\xff"}}, 60_000)
	r := allOf(c)[0]
	if r.Client.Size != 1<<20+2 || r.Client.Payload != 1<<20 || len(r.Client.Bytes) != maxWire {
		t.Errorf("size %d, payload %d, %d bytes kept", r.Client.Size, r.Client.Payload, len(r.Client.Bytes))
	}
}

func TestEndedAreKept(t *testing.T) {
	i := New(1<<30, "")
	open := opened(i, legacy.Hixie76)
	for n := range 300 {
		if n%2 == 0 {
			i.Handshake(&translate.Exchange{Dialect: legacy.Hixie76, Reason: legacy.NoDigits, Status: 400})
		} else {
			opened(i, legacy.Hixie76).Closed(translate.End{By: translate.ByClient, Reason: translate.ClientGone}, translate.Damage{})
		}
	}
	list := i.list()
	if len(list) != maxEnded+1 || list[0] != open || list[1].id != 102 {
		t.Errorf("%d are kept, the first is %d", len(list), list[1].id)
	}
	size := int64(0)
	for _, c := range list {
		size += c.size()
		for _, r := range c.rows {
			size += r.size
		}
	}
	if held := i.held.Load(); held != size {
		t.Errorf("%d bytes are held, %d counted", held, size)
	}
}

// BenchmarkMessage is what the inspector does with a message of 32 bytes that it sees on
// both wires.
func BenchmarkMessage(b *testing.B) {
	i := New(1<<20, "")
	c := opened(i, legacy.Hixie76)
	text := strings.Repeat("x", 32)
	old, modern := []byte("\x00"+text+"\xff"), []byte("\x81\xa0\x00\x00\x00\x00"+text)
	b.ReportAllocs()
	for b.Loop() {
		c.Bytes(translate.ByClient, false, old)
		c.Bytes(translate.ByBackend, true, modern)
	}
}
