package legacy_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws76/ws76/legacy"
)

// A handshake is a vector of handshakes.json.
type handshake struct {
	ID, Dialect, Expect       string
	Source, Provenance, Notes string
	Secure                    bool
	RequestHead               string   `json:"request_head"`
	RequestTail               string   `json:"request_tail_hex"`
	Request                   string   `json:"request_b64"`
	ResponseHead              string   `json:"response_head"`
	ResponseTail              string   `json:"response_tail_hex"`
	Response                  string   `json:"response_b64"`
	ClientProtocol            string   `json:"client_protocol"`
	SetCookie                 []string `json:"set_cookie"`
	Backend                   struct {
		Target   string
		Headers  map[string]string
		Absent   []string
		Selected string `json:"selected_protocol"`
	}
	Exchange       []struct{ From, Hex, Note string }
	Status         int
	RefusalHeaders map[string]string `json:"refusal_headers"`
}

// handshakes loads the vectors that keep accepts.
func handshakes(t testing.TB, n int, keep func(handshake) bool) (list []handshake) {
	t.Helper()
	var file struct {
		Schema     int
		Handshakes []handshake
	}
	load(t, "handshakes.json", &file)
	for _, v := range file.Handshakes {
		if keep(v) {
			list = append(list, v)
		}
	}
	atLeast(t, list, n)
	return list
}

func isLegacy(v handshake) bool { return v.Dialect == "75" || v.Dialect == "76" }

// bytes is what the client sends, key3 included.
func (v handshake) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(v.Request)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v handshake) answer(r *http.Request, h *legacy.Handshake) legacy.ResponseFields {
	return legacy.ResponseFields{
		Location:  legacy.Location(v.Secure, r.Host, h.Resource),
		Protocol:  v.Backend.Selected,
		SetCookie: v.SetCookie,
	}
}

// serve is a server up to the open connection. It returns the number of bytes
// that it held when the head was complete.
func (v handshake) serve(conn net.Conn) (br *bufio.Reader, held int, err error) {
	br = bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		return nil, 0, err
	}
	d, err := legacy.Detect(r)
	if err != nil {
		return nil, 0, err
	}
	h, err := legacy.NewHandshake(r, d, []byte(v.RequestHead))
	if err != nil {
		return nil, 0, err
	}
	held = br.Buffered()
	return br, held, h.Accept(conn, br, v.answer(r, h), 5*time.Second)
}

func TestHandshake(t *testing.T) {
	for _, v := range handshakes(t, 21, isLegacy) {
		t.Run(v.ID, func(t *testing.T) {
			r := request(t, v.RequestHead)
			d, err := legacy.Detect(r)
			if d.String() != v.Dialect {
				t.Fatalf("dialect %v, %v, want %s", d, err, v.Dialect)
			}
			h, err := legacy.NewHandshake(r, d, []byte(v.RequestHead))
			if err != nil {
				t.Fatal(err)
			}
			if h.Resource != v.Backend.Target {
				t.Errorf("resource %q, want %q", h.Resource, v.Backend.Target)
			}
			if want := v.Backend.Headers["Origin"]; h.Origin != want {
				t.Errorf("origin %q, want %q", h.Origin, want)
			}
			if got, want := strings.Join(h.Protocols(), ", "), v.Backend.Headers["Sec-WebSocket-Protocol"]; got != want {
				t.Errorf("protocols %q, want %q", got, want)
			}
			if err := h.CheckProtocol(v.Backend.Selected); err != nil {
				t.Error(err)
			}
			if got := string(h.AppendHead(nil, v.answer(r, h))); got != v.ResponseHead {
				t.Errorf("got  %q\nwant %q", got, v.ResponseHead)
			}
		})
	}
}

// However the request is cut, the answer is the same, nothing is read between
// the end of the head and the 101, and the frames behind key3 stay.
func TestAcceptCut(t *testing.T) {
	const frames = "\x00hi\xff"
	for _, v := range handshakes(t, 21, isLegacy) {
		t.Run(v.ID, func(t *testing.T) {
			want, err := base64.StdEncoding.DecodeString(v.Response)
			if err != nil {
				t.Fatal(err)
			}
			for _, segments := range cuts(append(v.bytes(t), frames...)) {
				conn := &segmentConn{segments: segments}
				br, held, err := v.serve(conn)
				if err != nil {
					t.Fatalf("%d segments: %v", len(segments), err)
				}
				if got := conn.written(); got != string(want) {
					t.Fatalf("%d segments: got %q, want %q", len(segments), got, want)
				}
				checkWrites(t, v, conn, held)
				if rest, _ := io.ReadAll(br); string(rest) != frames {
					t.Fatalf("%d segments: %q left, want %q", len(segments), rest, frames)
				}
				if !conn.deadline.IsZero() {
					t.Fatal("the deadline of key3 still stands")
				}
			}
		})
	}
}

// checkWrites wants everything in one write if key3 was there, otherwise the
// whole 101 head before the Read that brings the rest of key3.
func checkWrites(t *testing.T, v handshake, conn *segmentConn, held int) {
	t.Helper()
	first := conn.writes[0]
	if v.Dialect == "75" || held >= 8 {
		if len(conn.writes) != 1 {
			t.Fatalf("%d bytes held: %d writes, want 1", held, len(conn.writes))
		}
		return
	}
	if last := conn.writes[len(conn.writes)-1]; first.data != v.ResponseHead || last.reads == first.reads {
		t.Fatalf("%d bytes held: the 101 did not come before the rest of key3 was read", held)
	}
}

// The exchanges of the vectors, step by step: what the server has to say at a
// step it must have said by the time that nothing moves any more.
func TestAcceptExchange(t *testing.T) {
	for _, v := range handshakes(t, 2, func(v handshake) bool { return v.Exchange != nil }) {
		t.Run(v.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var said bytes.Buffer
				go io.Copy(&said, client)
				done := make(chan error, 1)
				go func() {
					_, _, err := v.serve(server)
					done <- err
				}()
				for _, step := range v.Exchange {
					if step.From == "client" {
						client.Write(unhex(t, step.Hex))
						continue
					}
					synctest.Wait()
					want := unhex(t, step.Hex)
					if got := said.Next(len(want)); string(got) != string(want) {
						t.Errorf("%s: got %q, want %q", step.Note, got, want)
					}
				}
				if err := <-done; err != nil || said.Len() > 0 {
					t.Errorf("got %v, %q left", err, said.Bytes())
				}
				client.Close()
			})
		})
	}
}

func TestHandshakeRefuses(t *testing.T) {
	plain := map[string]bool{"r-plain-http": true, "r-wrong-upgrade": true}
	for _, v := range handshakes(t, 17, func(v handshake) bool { return v.Expect == "refuse" }) {
		t.Run(v.ID, func(t *testing.T) {
			h, err := open(t, v.RequestHead)
			if plain[v.ID] {
				if d, err := legacy.Detect(request(t, v.RequestHead)); d != legacy.HTTP || err != nil {
					t.Errorf("got %v, %v, want plain HTTP", d, err)
				}
				return
			}
			var refused *legacy.HandshakeError
			if !errors.As(err, &refused) {
				t.Fatalf("got %+v, %v", h, err)
			}
			if refused.Status() != v.Status {
				t.Errorf("status %d, want %d", refused.Status(), v.Status)
			}
			// The fields are spelt as they go out, not as net/http would.
			got := refused.Header()
			if len(got) != len(v.RefusalHeaders) {
				t.Errorf("header %v, want %v", got, v.RefusalHeaders)
			}
			for name, want := range v.RefusalHeaders {
				if len(got[name]) != 1 || got[name][0] != want {
					t.Errorf("%s: %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

func TestDetectModern(t *testing.T) {
	for _, v := range handshakes(t, 9, func(v handshake) bool { return v.Expect == "101" && !isLegacy(v) }) {
		t.Run(v.ID, func(t *testing.T) {
			d, err := legacy.Detect(request(t, v.RequestHead))
			if d.String() != v.Dialect || err != nil {
				t.Errorf("got %v, %v, want %s", d, err, v.Dialect)
			}
		})
	}
}

// Key3 has one timeout, however it comes. The clock is that of synctest.
func TestAcceptKey3(t *testing.T) {
	const timeout = 5 * time.Second
	for _, test := range []struct {
		id     string
		every  time.Duration // between two bytes
		bytes  int           // of key3 that come
		leave  bool          // the client ends the connection behind them
		reason string
		detail string
		cause  error
	}{
		{"at-once", 0, 8, false, "", "", nil},
		{"late", 600 * time.Millisecond, 8, false, "", "", nil},
		{"never", 0, 0, false, legacy.Key3Timeout, "0 of 8 bytes came", os.ErrDeadlineExceeded},
		{"some", 0, 3, false, legacy.Key3Timeout, "3 of 8 bytes came", os.ErrDeadlineExceeded},
		{"too-slow", 700 * time.Millisecond, 8, false, legacy.Key3Timeout, "7 of 8 bytes came", os.ErrDeadlineExceeded},
		{"left", 0, 0, true, legacy.Key3Missing, "0 of 8 bytes came", io.EOF},
		{"left-in-between", time.Second, 4, true, legacy.Key3Missing, "4 of 8 bytes came", io.ErrUnexpectedEOF},
		{"left-before-the-last", 0, 7, true, legacy.Key3Missing, "7 of 8 bytes came", io.ErrUnexpectedEOF},
	} {
		t.Run(test.id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var wg sync.WaitGroup
				defer wg.Wait()
				defer client.Close()
				wg.Go(func() {
					holdBack(client, test.bytes, test.every)
					if test.leave {
						client.Close()
					}
				})
				began := time.Now()
				_, _, err := handshake{RequestHead: head76}.serve(server)
				if test.reason == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var failed *legacy.HandshakeError
				if !errors.As(err, &failed) || failed.Reason() != test.reason || failed.Detail() != test.detail {
					t.Fatalf("got %v, want %s (%s)", err, test.reason, test.detail)
				}
				if !errors.Is(err, test.cause) {
					t.Errorf("cause %v, want %v", errors.Unwrap(failed), test.cause)
				}
				if took := time.Since(began); test.reason == legacy.Key3Timeout && took != timeout {
					t.Errorf("after %v, want %v", took, timeout)
				}
			})
		})
	}
}

// holdBack is a client behind a proxy: it sends the head, and the first n bytes
// of key3 one by one when it has seen the 101.
func holdBack(conn net.Conn, n int, every time.Duration) {
	io.WriteString(conn, head76)
	legacy.ReadHead(bufio.NewReaderSize(conn, 16))
	go io.Copy(io.Discard, conn)
	for i := range n {
		time.Sleep(every)
		io.WriteString(conn, key3[i:i+1])
	}
}

func TestAcceptWriteFails(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, request := range []string{head75, head76, head76 + key3} {
		conn := &segmentConn{segments: [][]byte{[]byte(request)}, fail: broken}
		if _, _, err := (handshake{RequestHead: head76}).serve(conn); err != broken {
			t.Errorf("%q: got %v, want %v as it is", request, err, broken)
		}
	}
}

// A declared key3 is waited for; if it does not come, the 101 goes out first
// after all.
func TestAwaitKey3(t *testing.T) {
	head := plus(head76, "Content-Length: 8")
	for _, test := range []struct {
		id     string
		before string // of key3, with the head
		there  bool
		writes int
	}{
		{"sent", key3, true, 1},
		{"sent-with-frames", key3 + "\x00\xff", true, 1},
		{"held-back", "", false, 2},
		{"half-held-back", key3[:4], false, 2},
		{"last-byte-held-back", key3[:7], false, 2},
	} {
		t.Run(test.id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				h := mustOpen(t, head)
				if !h.Declared {
					t.Error("not declared")
				}
				br := bufio.NewReader(server)
				go client.Write([]byte(test.before))
				if there := legacy.AwaitKey3(server, br, time.Second); there != test.there {
					t.Errorf("there %v, want %v", there, test.there)
				}
				var writes int
				done := make(chan struct{})
				go func() {
					defer close(done)
					for buf := make([]byte, 1024); ; writes++ {
						n, err := client.Read(buf)
						if err != nil || strings.HasSuffix(string(buf[:n]), digest) {
							writes++
							return
						}
						client.Write([]byte(key3[len(test.before):]))
					}
				}()
				if err := h.Accept(server, br, legacy.ResponseFields{}, time.Second); err != nil {
					t.Fatal(err)
				}
				if <-done; writes != test.writes {
					t.Errorf("%d writes, want %d", writes, test.writes)
				}
			})
		})
	}
}

// A slowConn takes a second for each deadline that is set, as a busy machine may.
type slowConn struct{ net.Conn }

func (c slowConn) SetReadDeadline(t time.Time) error {
	time.Sleep(time.Second)
	return c.Conn.SetReadDeadline(t)
}

// Key3Wait is the time from the head of the 101 to key3, and 0 for a key3 that was there
// before, however long it takes to read it. A proxy that holds
// key3 back is found by it.
func TestKey3Wait(t *testing.T) {
	const late = 4800 * time.Millisecond
	for id, want := range map[string]time.Duration{"late": late, "at-once": 0} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				br := bufio.NewReader(server)
				conn := net.Conn(server)
				if want == 0 {
					conn = slowConn{server}
					go client.Write([]byte(key3))
					br.Peek(8)
				}
				go func() {
					head := make([]byte, 1024)
					client.Read(head)
					if want > 0 {
						time.Sleep(late)
						client.Write([]byte(key3))
						client.Read(head)
					}
				}()
				h := mustOpen(t, head76)
				if err := h.Accept(conn, br, legacy.ResponseFields{}, time.Minute); err != nil {
					t.Fatal(err)
				}
				if h.Key3Wait != want || string(h.Key3[:]) != key3 {
					t.Errorf("key3 %q after %v, want %v", h.Key3, h.Key3Wait, want)
				}
			})
		})
	}
}
