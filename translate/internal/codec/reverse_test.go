package codec

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// The codecs of a legacy backend are held against those of a legacy client: the bytes of
// one role mean what those of the other do.

// eachVector calls test for every vector of a legacy peer, dialect, cut and buffer.
func eachVector(t *testing.T, test func(t *testing.T, v upCase, d legacy.Dialect, f fit, segments [][]byte)) {
	for _, v := range append(upCases(t), hixieVectors(t)...) {
		t.Run(v.ID, func(t *testing.T) {
			if v.Dialects == nil {
				v.Dialects = []string{"75", "76"}
			}
			whole, chunks := unhexAll(t, v.Chunks)
			for _, d := range v.Dialects {
				for _, f := range upFits {
					for _, segments := range append(allCuts(whole), chunks) {
						test(t, v, dialectsByWord[d], f, segments)
						if t.Failed() {
							t.Fatalf("-%s, %s, %x", d, f.id, segments)
						}
					}
				}
			}
		})
	}
}

// pass carries segments and returns what came out.
func pass(t testing.TB, tr transformer, f fit, segments [][]byte) *carrier {
	c := &carrier{TB: t, tr: tr, size: f.size, room: f.room}
	c.carry(segments...)
	return c
}

// unmasked is a stream of frames without their masks.
func unmasked(t testing.TB, wire []byte) (out []byte) {
	t.Helper()
	for len(wire) > 0 {
		h, ok := modern.ParseHeader(wire)
		end := h.Size + int(h.Length)
		if !ok || !h.Masked || len(wire) < end {
			t.Fatalf("no masked frame: %x", wire)
		}
		payload := bytes.Clone(wire[h.Size:end])
		modern.Mask(payload, payload, h.Key)
		out = modern.AppendServerFrame(out, h.Fin, h.Opcode, payload)
		wire = wire[end:]
	}
	return out
}

// checkServerUp holds a server against a client.
func checkServerUp(t testing.TB, d legacy.Dialect, maxMessage, maxSkip int64, f fit, segments [][]byte) {
	t.Helper()
	client, server := newUp(d, maxMessage, maxSkip), NewServerUp(d, maxMessage, maxSkip, new(Summary))
	large := func(lenSrc int) int { return 8*lenSrc + 2*MinRoom } // where neither is short
	f.room = large
	want, got := pass(t, client, f, segments), pass(t, server, f, segments)
	if !bytes.Equal(got.out, unmasked(t, want.out)) || got.end() != want.end() || *server.summary != *client.summary {
		t.Fatalf("got %x, %v, %+v, want %x, %v, %+v", got.out, got.err, server.summary, unmasked(t, want.out), want.err, client.summary)
	}
}

func TestServerUp(t *testing.T) {
	eachVector(t, func(t *testing.T, v upCase, d legacy.Dialect, f fit, segments [][]byte) {
		checkServerUp(t, d, v.MaxMessage, v.MaxSkip, f, segments)
	})
}

func FuzzServerUp(f *testing.F) {
	for _, v := range hixieVectors(f) {
		whole, chunks := unhexAll(f, v.Chunks)
		f.Add(whole, lengths(chunks), true, uint16(v.MaxMessage), uint16(v.MaxSkip), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte, is76 bool, maxMessage, maxSkip uint16, size uint8) {
		d := legacy.Hixie75
		if is76 {
			d = legacy.Hixie76
		}
		checkServerUp(t, d, int64(maxMessage), int64(maxSkip), fit{"", 8 + int(size), largeRoom}, cutBy(sizes, data))
	})
}

// masked is a stream of a server's frames as a client sends them, each with another
// key. It reports false where that cannot be: the frame is broken.
func masked(wire []byte) (out []byte, ok bool) {
	for i := byte(1); len(wire) > 0; i++ {
		h, ok := modern.ParseHeader(wire)
		if !ok || h.Masked || h.RSV != 0 {
			return out, false
		}
		key := modern.Key{i, 2 * i, 3 * i, 7}
		header := bytes.Clone(wire[:h.Size]) // as it is, long forms too
		header[1] |= 0x80
		out = append(append(out, header...), key[:]...)
		payload := bytes.Clone(wire[h.Size : h.Size+int(min(h.Length, uint64(len(wire)-h.Size)))])
		modern.Mask(payload, payload, key)
		out = append(out, payload...)
		wire = wire[h.Size+len(payload):]
	}
	return out, true
}

// checkServerDown holds a server against a client. Where bytes begin to be wrong, the
// same messages are out.
func checkServerDown(t testing.TB, maxMessage int64, policy BinaryPolicy, data []byte, cut func([]byte) [][]byte) {
	t.Helper()
	wire, ok := masked(data)
	if !ok {
		return
	}
	f := fit{"large", largeBuffer, largeRoom}
	client, server := newDown(maxMessage, policy), NewServerDown(maxMessage, false, policy, new(Summary))
	want, wantC := carryDown(t, client, f, [][]byte{bytes.Clone(data)})
	got, gotC := carryDown(t, server, f, cut(wire))
	if !slices.Equal(got.messages, want.messages) || gotC.end() != wantC.end() || !slices.Equal(gotC.pings, wantC.pings) || *server.summary != *client.summary {
		t.Fatalf("got %+v, %v, %q, want %+v, %v, %q", got, gotC.err, gotC.pings, want, wantC.err, wantC.pings)
	}
}

func TestServerDown(t *testing.T) {
	tried := 0
	for _, v := range append(downCases(t), hybiVectors(t)...) {
		t.Run(v.ID, func(t *testing.T) {
			data, _ := unhexAll(t, v.Chunks)
			wire, ok := masked(data)
			if !ok {
				return
			}
			tried++
			for i := range allCuts(wire) {
				checkServerDown(t, v.MaxMessage, BinaryPolicy(v.Binary), data, func(wire []byte) [][]byte { return allCuts(bytes.Clone(wire))[i] })
			}
		})
	}
	if tried < 50 {
		t.Errorf("only %d vectors can be a client's", tried)
	}
}

func FuzzServerDown(f *testing.F) {
	for _, v := range append(downCases(f), hybiVectors(f)...) {
		whole, chunks := unhexAll(f, v.Chunks)
		f.Add(whole, lengths(chunks), uint16(v.MaxMessage), uint8(0))
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte, maxMessage uint16, policy uint8) {
		checkServerDown(t, int64(maxMessage), policies[int(policy)%len(policies)], data, func(wire []byte) [][]byte { return cutBy(sizes, wire) })
	})
}

// A client's frame without a mask is an error, whatever the version.
func TestServerDownWantsMasks(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		_, c := carryDown(t, NewServerDown(0, lenient, BinaryText, new(Summary)), downFits[0], [][]byte{[]byte("\x81\x02hi")})
		if got := c.end(); got.reason != modern.WrongMask || got.code != modern.ProtocolFailure {
			t.Errorf("got %+v", got)
		}
	}
}

// What versions 7 and 8 may do is accepted from them only, and their close codes are
// answered with codes that may be sent.
func TestServerDownLenient(t *testing.T) {
	zero := "\x00\x00\x00\x00"
	long := "\x81\xfe\x00\x02" + zero + "hi"
	for id, test := range map[string]struct {
		wire string
		want ending
	}{
		"long-form":  {long, ending{}},
		"close-1004": {"\x88\x82" + zero + "\x03\xec", ending{backendClosed, 1009}},
		"close-1006": {"\x88\x82" + zero + "\x03\xee", ending{backendClosed, 1001}},
		"close-4000": {"\x88\x82" + zero + "\x0f\xa0", ending{backendClosed, 4000}},
		"close":      {"\x88\x80" + zero, ending{backendClosed, modern.NoStatus}},
	} {
		_, c := carryDown(t, NewServerDown(0, true, BinaryText, new(Summary)), downFits[0], [][]byte{[]byte(test.wire)})
		if got := c.end(); got != test.want {
			t.Errorf("%s: got %+v, want %+v", id, got, test.want)
		}
	}
	_, c := carryDown(t, NewServerDown(0, false, BinaryText, new(Summary)), downFits[0], [][]byte{[]byte(long)})
	if got := c.end().reason; got != modern.NonMinimalLength {
		t.Errorf("version 13: got %q", got)
	}
}

// checkHixie holds Hixie against Up, message by message.
func checkHixie(t testing.TB, d legacy.Dialect, maxMessage, maxSkip int64, f fit, data []byte, segments [][]byte) {
	t.Helper()
	h := NewHixie(d, maxMessage, maxSkip, new(Summary))
	c := pass(t, h, f, segments)
	got := readByClient(t, c.out)
	want := modelUp(data, newUp(d, maxMessage, maxSkip).scan)
	if !slices.Equal(got.messages, want.messages) || !strings.HasPrefix(want.partial, got.partial) || c.end().reason != want.end || h.summary.Skipped != want.dropped {
		t.Fatalf("got %+v, %v, %+v, want %+v", got, c.err, h.summary, want)
	}
	if h.MidMessage() != got.begun {
		t.Fatalf("inside a message: %t, after %x", h.MidMessage(), c.out)
	}
	if messages, size := h.Counts(); int(messages) != len(got.messages) || int(size) != len(strings.Join(got.messages, "")+got.partial) {
		t.Fatalf("counts %d, %d of %+v", messages, size, got)
	}
}

func TestHixie(t *testing.T) {
	eachVector(t, func(t *testing.T, v upCase, d legacy.Dialect, f fit, segments [][]byte) {
		checkHixie(t, d, v.MaxMessage, v.MaxSkip, f, bytes.Join(segments, nil), segments)
	})
}

func FuzzHixie(f *testing.F) {
	for _, v := range append(upCases(f), hixieVectors(f)...) {
		whole, chunks := unhexAll(f, v.Chunks)
		f.Add(whole, lengths(chunks), true, uint16(v.MaxMessage), uint16(v.MaxSkip), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte, is76 bool, maxMessage, maxSkip uint16, size uint8) {
		d := legacy.Hixie75
		if is76 {
			d = legacy.Hixie76
		}
		for _, room := range []func(int) int{largeRoom, upRoom} {
			checkHixie(t, d, int64(maxMessage), int64(maxSkip), fit{"", 8 + int(size), room}, data, cutBy(sizes, data))
		}
	})
}

// readBinary reads what Decode wrote.
func readBinary(t testing.TB, wire []byte) (messages []string) {
	t.Helper()
	s := modern.Scanner{Server: true}
	message := ""
	for wire = bytes.Clone(wire); len(wire) > 0; {
		tok, n, err := s.Scan(wire)
		if err != nil || tok.Kind != modern.Message || tok.Opcode != modern.Binary {
			t.Fatalf("%x: %+v, %v", wire, tok, err)
		}
		wire = wire[n:]
		message += string(tok.Data)
		if tok.Last {
			messages, message = append(messages, message), ""
		}
	}
	return messages
}

// checkDecode holds Decode against encoding/base64, message by message.
func checkDecode(t testing.TB, f fit, texts []string, segments [][]byte) {
	t.Helper()
	var want []string
	bad := false
	for _, text := range texts {
		data, err := base64.StdEncoding.Strict().DecodeString(text)
		if bad = err != nil || strings.ContainsAny(text, "\r\n"); bad {
			break
		}
		want = append(want, string(data))
	}
	d := NewDecode(legacy.Hixie76, 0, 0, new(Summary))
	c := pass(t, d, f, segments)
	if got := readBinary(t, c.out); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if (c.err == ErrBase64) != bad || c.err != nil && !bad {
		t.Fatalf("got %v, want an error: %t", c.err, bad)
	}
	if messages, _ := d.Counts(); int(messages) != len(want) {
		t.Fatalf("%d messages counted, %d given", messages, len(want))
	}
}

var decodeTexts = [][]string{
	{"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy"},
	{"AAEC", "Zm9v\n"}, {"AAEC", "Zm9"}, {"Zg==Zg=="}, {"Zg=="}, {"=="}, {"Zh=="}, {"Zm9-"}, {"Zm9vZg==AAAA"}, {"Zm9v===="},
	{"Zm\r\n9v"}, {strings.Repeat("AAECAwQF", 40)}, {"", "", "", ""}, {"Z=m9"},
}

func TestDecode(t *testing.T) {
	for _, texts := range decodeTexts {
		var wire []byte
		for _, text := range texts {
			wire = legacy.AppendText(wire, []byte(text))
		}
		for _, f := range []fit{{"large", largeBuffer, largeRoom}, {"short", 6, largeRoom}, {"short-16", 16, leastRoom}} {
			for _, segments := range allCuts(wire) {
				checkDecode(t, f, texts, segments)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, texts := range decodeTexts {
		f.Add(strings.Join(texts, "\xff"), []byte{3}, uint8(7))
	}
	f.Fuzz(func(t *testing.T, joined string, sizes []byte, size uint8) {
		texts := strings.Split(joined, "\xff")
		var wire []byte
		for _, text := range texts {
			wire = append(append(append(wire, 0x00), text...), 0xff)
		}
		checkDecode(t, fit{"", 8 + int(size), leastRoom}, texts, cutBy(sizes, wire))
	})
}
