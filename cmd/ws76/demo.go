package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// demoTimeout bounds the conversation of the demo.
const demoTimeout = 10 * time.Second

// demo runs a backend, the gateway and a -76 client in this process, shows
// every byte between them, and then keeps serving.
func demo(ctx context.Context, args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	once := flags.Bool("once", false, "end after the conversation")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return usagef("demo takes -once or nothing, not %q", args)
	}
	tap := &tap{}
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the backend: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: demoTimeout}
	go server.Serve(tapListener{backend, tap})
	defer server.Close()

	ln, err := listenDemo(*once)
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	gateway := translate.New(translate.Options{Backend: modern.Dialer{Address: backend.Addr().String()}, PreserveHost: true})
	go gateway.Serve(ln)
	defer shutdown(gateway)

	d := &demonstration{printer: newPrinter(stdout), tap: tap, gateway: ln.Addr().String(), backend: backend.Addr().String()}
	if err := d.run(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if *once {
		return nil
	}
	tap.stop()
	d.whatNext()
	<-ctx.Done()
	return nil
}

// listenDemo takes the gateway's own port if it is free and the demo stays.
func listenDemo(once bool) (net.Listener, error) {
	if !once {
		if ln, err := listen("127.0.0.1:8076"); err == nil {
			return ln, nil
		}
	}
	return listen("127.0.0.1:0")
}

func shutdown(gateway *translate.Gateway) {
	ctx, cancel := context.WithTimeout(context.Background(), demoTimeout)
	defer cancel()
	gateway.Shutdown(ctx)
}

// echo is the backend: RFC 6455 by gorilla/websocket. It speaks first.
func echo(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.WriteMessage(websocket.TextMessage, []byte("welcome")) != nil {
		return
	}
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// A demonstration is one conversation, explained.
type demonstration struct {
	*printer
	tap     *tap
	gateway string
	backend string
}

func (d *demonstration) run(ctx context.Context) error {
	d.title("A WebSocket client of 2010 talks to a server of today")
	d.line("client (-76)  ──►  ws76 at %s  ──►  backend (RFC 6455) at %s", d.gateway, d.backend)
	request := legacy.NewRequest(legacy.Hixie76, &url.URL{Scheme: "ws", Host: d.gateway, Path: "/demo"})
	conn, err := d.open(ctx, request)
	if err != nil {
		return err
	}
	defer conn.Close()
	d.title("2. Messages")
	if err := d.expect(conn, "welcome", "The backend speaks first:"); err != nil {
		return err
	}
	for _, text := range []string{"Hello", "", "Grüße 😀"} {
		if err := conn.WriteText(text); err != nil {
			return err
		}
		if err := d.expect(conn, text, fmt.Sprintf("The client sends %q, the backend echoes it:", text)); err != nil {
			return err
		}
	}
	return d.close(conn)
}

// open shows the opening handshake on both sides and the arithmetic in it.
func (d *demonstration) open(ctx context.Context, r *legacy.Request) (*legacy.Conn, error) {
	d.title("1. Opening handshake")
	tcp, err := new(net.Dialer).DialContext(ctx, "tcp", d.gateway)
	if err != nil {
		return nil, err
	}
	tcp.SetDeadline(time.Now().Add(demoTimeout))
	conn, err := r.Open(d.tap.client(tcp))
	if err != nil {
		tcp.Close()
		return nil, err
	}
	d.tap.await("backend ► ws76")
	var early []event // frames that followed a head at once
	for _, e := range d.tap.take() {
		if frames := d.handshake(e); len(frames) > 0 {
			early = append(early, event{e.way, frames})
		}
	}
	d.tap.putBack(early)
	return conn, d.explainKeys(r)
}

func (d *demonstration) explainKeys(r *legacy.Request) error {
	key1, err1 := legacy.ParseKey(r.Key1)
	key2, err2 := legacy.ParseKey(r.Key2)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	response := legacy.Response(key1, key2, r.Key3)
	d.note("Why the client believes it:")
	d.line("Key1  digits %10d / %2d spaces = %10d = % x", key1.Number, key1.Spaces, key1.Part, bigEndian(key1.Part))
	d.line("Key2  digits %10d / %2d spaces = %10d = % x", key2.Number, key2.Spaces, key2.Part, bigEndian(key2.Part))
	d.line("key3  % x, the 8 bytes after the head, which no header announces", r.Key3)
	d.line("MD5 of these 16 bytes = % x, as the gateway answered", response)
	return nil
}

func bigEndian(n uint32) [4]byte { return [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

// expect reads a message and shows all the frames that made it.
func (d *demonstration) expect(conn *legacy.Conn, want, note string) error {
	got, err := conn.ReadText()
	if err != nil {
		return fmt.Errorf("wait for %q: %w", want, err)
	}
	if got != want {
		return fmt.Errorf("the client got %q, not %q", got, want)
	}
	d.note("%s", note)
	for _, e := range d.tap.take() {
		d.frames(e)
	}
	return nil
}

// close shows the closing handshakes, which are different ones.
func (d *demonstration) close(conn *legacy.Conn) error {
	d.title("3. Closing handshake")
	if err := conn.WriteClose(); err != nil {
		return err
	}
	if text, err := conn.ReadText(); err != io.EOF {
		return fmt.Errorf("the gateway did not answer FF 00 but with %q, %v", text, err)
	}
	d.tap.await("backend ► ws76")
	d.note("The client says FF 00 and gets FF 00; the backend gets Close 1000 and echoes it:")
	for _, e := range d.tap.take() {
		d.frames(e)
	}
	d.done("It works: the client of 2010 and the server of today understood each other.")
	return nil
}

func (d *demonstration) whatNext() {
	d.title("What next")
	d.line("The gateway keeps serving on %s, with an echo behind it. Try", d.gateway)
	d.line("  an old browser, here:       new WebSocket('ws://%s/')", d.gateway)
	d.line("  your own backend:           WS76_BACKEND=http://127.0.0.1:8080 ws76")
	d.line("  all settings:               ws76 help")
	d.line("Ctrl-C ends it.")
}
