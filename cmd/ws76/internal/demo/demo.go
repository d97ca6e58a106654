// Package demo shows a -76 client that talks to an RFC 6455 backend through ws76, with
// every byte explained.
package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/cmd/ws76/internal/connect"
	"github.com/ws76/ws76/cmd/ws76/internal/listen"
	"github.com/ws76/ws76/cmd/ws76/internal/terminal"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// demoTimeout bounds the conversation of the demo.
const demoTimeout = 10 * time.Second

// Run starts a backend, the gateway and a -76 client in this process and shows every
// byte between them. Then it keeps serving until ctx ends, unless once.
func Run(ctx context.Context, once bool, stdout io.Writer) error {
	tap := &tap{}
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the backend: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: demoTimeout}
	go server.Serve(tapListener{backend, tap})
	defer server.Close()

	ln, err := listenDefault(once)
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	gateway := translate.New(translate.Options{Backend: modern.Dialer{Address: backend.Addr().String()}, PreserveHost: true})
	go gateway.Serve(ln)
	defer shutdown(gateway)

	d := &demonstration{Printer: terminal.NewPrinter(stdout), tap: tap, gateway: ln.Addr().String(), backend: backend.Addr().String()}
	if err := d.run(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if once {
		return nil
	}
	tap.stop()
	d.printNextSteps()
	<-ctx.Done()
	return nil
}

// listenDefault opens the default port if it is free and the demo stays, else any.
func listenDefault(once bool) (net.Listener, error) {
	if !once {
		if ln, err := listen.Listen("127.0.0.1:8076", demoTimeout); err == nil {
			return ln, nil
		}
	}
	return listen.Listen("127.0.0.1:0", demoTimeout)
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
	*terminal.Printer
	tap     *tap
	gateway string
	backend string
}

func (d *demonstration) run(ctx context.Context) error {
	d.Title("A WebSocket client of 2010 talks to a server of today")
	d.Line("client (-76)  ──►  ws76 at %s  ──►  backend (RFC 6455) at %s", d.gateway, d.backend)
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	d.Title("2. Messages")
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
func (d *demonstration) open(ctx context.Context) (*legacy.Conn, error) {
	d.Title("1. Opening handshake")
	dialer := legacy.Dialer{NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
		tcp, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return d.tap.client(tcp), nil
	}}
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	conn, err := dialer.Dial(ctx, "ws://"+d.gateway+"/demo")
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(demoTimeout))
	d.tap.await("backend ► ws76")
	var request []byte
	var early []event // frames that followed a head at once
	for _, e := range d.tap.take() {
		if e.way == "client ► ws76" {
			request = e.data
		}
		if frames := d.handshake(e); len(frames) > 0 {
			early = append(early, event{e.way, frames})
		}
	}
	d.tap.putBack(early)
	connect.PrintKeys(d.Printer, request)
	return conn, nil
}

// expect reads a message and shows all the frames that made it.
func (d *demonstration) expect(conn *legacy.Conn, want, note string) error {
	got, err := conn.ReadText()
	if err != nil {
		return fmt.Errorf("wait for %q: %w", want, err)
	}
	if got != want {
		return fmt.Errorf("the client got %q, not %q", got, want)
	}
	d.Note("%s", note)
	for _, e := range d.tap.take() {
		d.frames(e)
	}
	return nil
}

// close shows the closing handshakes of both sides.
func (d *demonstration) close(conn *legacy.Conn) error {
	d.Title("3. Closing handshake")
	if err := conn.WriteClose(); err != nil {
		return err
	}
	if text, err := conn.ReadText(); err != io.EOF {
		return fmt.Errorf("the gateway did not answer FF 00 but with %q, %v", text, err)
	}
	d.tap.await("backend ► ws76")
	d.Note("The client says FF 00 and gets FF 00; the backend gets Close 1000 and echoes it:")
	for _, e := range d.tap.take() {
		d.frames(e)
	}
	d.Done("It works: the client of 2010 and the server of today understood each other.")
	return nil
}

func (d *demonstration) printNextSteps() {
	d.Title("What next")
	d.Line("The gateway keeps serving on %s, with an echo behind it. Try", d.gateway)
	d.Line("  an old browser, here:       new WebSocket('ws://%s/')", d.gateway)
	d.Line("  your own backend:           WS76_BACKEND=http://127.0.0.1:8080 ws76")
	d.Line("  all settings:               ws76 help")
	d.Line("Ctrl-C ends it.")
}
