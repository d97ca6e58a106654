// Command app is an app of today for the demos: a page, a WebSocket of RFC 6455 that
// says every message back, and a room where everybody hears everybody.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"github.com/hashicorp/go-hclog"
)

var log = hclog.New(&hclog.LoggerOptions{Name: "app"})

func main() {
	listen := flag.String("listen", ":8080", "where to listen")
	healthy := flag.Bool("healthy", false, "ask the app that listens on this machine whether it is healthy, and exit")
	gateway := flag.String("next", "", "when the gateway at this `URL` serves, say what to try")
	flag.Parse()
	if *healthy {
		os.Exit(ask("http://127.0.0.1" + *listen + "/healthz"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /{$}", page)
	mux.HandleFunc("GET /chat", chat)
	var lobby room
	mux.HandleFunc("GET /room/{$}", lobby.page)
	mux.HandleFunc("GET /room/socket", lobby.socket)
	server := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if *gateway != "" {
		go next(ctx, *gateway)
	}
	log.Info("listening", "address", *listen, "websocket", "/chat")
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Error("not listening", "error", err)
		os.Exit(1)
	}
}

// next waits for the gateway and says what to try.
func next(ctx context.Context, gateway string) {
	for ask(gateway+"/healthz") != 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	fmt.Printf(`
Next, in another terminal:
  curl %[1]s/
  docker compose -f docker/compose.yaml exec ws76 /ws76 probe ws%[2]s/chat
  docker compose -f docker/compose.yaml exec ws76 /ws76 connect -v -once Hello ws%[2]s/chat
  docker compose -f docker/compose.yaml run --build --rm old-client
`, gateway, strings.TrimPrefix(gateway, "http"))
}

func ask(url string) (status int) {
	client := http.Client{Timeout: 2 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return 1
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

func page(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "The app's page, for %s by %s\n", r.Header.Get("X-Forwarded-For"), cmp.Or(r.Header.Get("X-Forwarded-Proto"), "http"))
}

// Clients of any origin are welcome here; an app with cookies should look.
var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func chat(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.Close()
	client := r.Header.Get("X-Forwarded-For")
	log.Info("websocket opened", "client", client)
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			log.Info("websocket closed", "client", client, "error", err)
			return
		}
		if err := conn.WriteMessage(kind, message); err != nil {
			return
		}
	}
}
