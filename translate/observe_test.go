package translate_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// An observed is an Observer that keeps everything of one handshake and its connection.
type observed struct {
	exchange chan *translate.Exchange
	closed   chan translate.End

	mu    sync.Mutex
	bytes map[string][]byte // by side and direction
}

func newObserved() *observed {
	return &observed{exchange: make(chan *translate.Exchange, 1), closed: make(chan translate.End, 1), bytes: map[string][]byte{}}
}

func (o *observed) Handshake(x *translate.Exchange) translate.Tap {
	o.exchange <- x
	return o
}

func (o *observed) Bytes(side translate.Side, written bool, b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := string(side) + map[bool]string{false: "<", true: ">"}[written]
	o.bytes[key] = append(o.bytes[key], b...)
}

func (o *observed) Closed(e translate.End, _ translate.Damage) { o.closed <- e }

// observe starts a gateway with the Observer, in front of a backend that pings, echoes and
// refuses /locked.
func observe(t *testing.T, o translate.Observer) (address string) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/locked" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		ws.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(time.Minute))
		for {
			kind, m, err := ws.ReadMessage()
			if err != nil || ws.WriteMessage(kind, m) != nil {
				return
			}
		}
	}))
	t.Cleanup(backend.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gateway := translate.New(translate.Options{Backend: modern.Dialer{Address: backend.Listener.Addr().String()}, PreserveHost: true, Observer: o})
	go gateway.Serve(ln)
	t.Cleanup(func() { gateway.Shutdown(t.Context()) })
	return ln.Addr().String()
}

// unframed is the kinds and the unmasked payloads of frames.
func unframed(t *testing.T, b []byte) (frames []string) {
	for len(b) > 0 {
		h, ok := modern.ParseHeader(b)
		if !ok || len(b) < h.Size+int(h.Length) {
			t.Fatalf("no whole frame: % x", b)
		}
		payload := bytes.Clone(b[h.Size : h.Size+int(h.Length)])
		modern.Mask(payload, payload, h.Key)
		frames = append(frames, string(rune('0'+h.Opcode))+" "+string(payload))
		b = b[h.Size+int(h.Length):]
	}
	return frames
}

// The Observer is shown the opening handshake and all that is said behind it, by the
// gateway too.
func TestObserver(t *testing.T) {
	o := newObserved()
	address := observe(t, o)
	tcp, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	tcp.SetDeadline(time.Now().Add(30 * time.Second))
	r := legacy.NewRequest(legacy.Hixie76, &url.URL{Scheme: "ws", Host: address, Path: "/chat"})
	client, err := r.Open(tcp)
	if err != nil {
		t.Fatal(err)
	}
	x := <-o.exchange
	switch {
	case !bytes.Equal(x.Request, r.AppendHead(nil)):
		t.Errorf("the request is %q", x.Request)
	case !bytes.HasPrefix(x.Forwarded, []byte("GET /chat HTTP/1.1\r\n")) || !bytes.HasSuffix(x.Forwarded, []byte("\r\n\r\n")):
		t.Errorf("the request to the backend is %q", x.Forwarded)
	case !bytes.HasPrefix(x.Answer, []byte("HTTP/1.1 101 ")) || !bytes.HasSuffix(x.Answer, []byte("\r\n\r\n")):
		t.Errorf("the backend's response is %q", x.Answer)
	case !bytes.HasPrefix(x.Response, []byte("HTTP/1.1 101 WebSocket Protocol Handshake\r\n")) || len(x.Response)-bytes.Index(x.Response, []byte("\r\n\r\n")) != 4+16:
		t.Errorf("the response to the client is %q", x.Response)
	case x.Key3 == nil || *x.Key3 != r.Key3 || x.Path != "/chat" || x.Dialect != legacy.Hixie76 || x.Reason != "":
		t.Errorf("the exchange is %+v", x)
	}
	if err := client.WriteText("Hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := client.ReadText(); got != "Hello" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if err := client.WriteClose(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ReadText(); err != io.EOF {
		t.Fatalf("no FF 00 but %v", err)
	}
	tcp.Close()
	if e := <-o.closed; e.By != translate.ByClient || e.Reason != translate.ClientClosed {
		t.Errorf("the end is %+v", e)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, want := range map[string]string{"client<": "\x00Hello\xff\xff\x00", "client>": "\x00Hello\xff\xff\x00"} {
		if got := o.bytes[key]; string(got) != want {
			t.Errorf("%s % x, want % x", key, got, want)
		}
	}
	for key, want := range map[string][]string{"backend<": {"9 ping", "1 Hello", "8 \x03\xe8"}, "backend>": {": ping", "1 Hello", "8 \x03\xe8"}} {
		got := unframed(t, o.bytes[key])
		slices.Sort(got) // the Ping and the first message meet on their way
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s %q, want %q", key, got, want)
		}
	}
}

// A refusal is shown with its reason, and whether or not the backend was asked.
func TestObserverOfRefusals(t *testing.T) {
	for _, tt := range []struct {
		path, key1 string
		reason     translate.Reason
		status     int
		asked      bool
	}{
		{"/locked", "", translate.BackendRefused, http.StatusUnauthorized, true},
		{"/chat", "no digits", legacy.NoDigits, http.StatusBadRequest, false},
	} {
		o := newObserved()
		address := observe(t, o)
		tcp, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close()
		tcp.SetDeadline(time.Now().Add(30 * time.Second))
		r := legacy.NewRequest(legacy.Hixie76, &url.URL{Scheme: "ws", Host: address, Path: tt.path})
		if tt.key1 != "" {
			r.Key1 = tt.key1
		}
		if _, err := r.Open(tcp); err == nil {
			t.Fatal("not refused")
		}
		tcp.Close()
		x := <-o.exchange
		if x.Reason != tt.reason || x.Status != tt.status || (len(x.Forwarded) > 0) != tt.asked || (len(x.Answer) > 0) != tt.asked || !bytes.HasPrefix(x.Response, []byte("HTTP/1.1 4")) || len(x.Request) == 0 {
			t.Errorf("%s: %+v", tt.path, x)
		}
	}
}
