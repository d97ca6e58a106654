package translate_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// A backend of today, a client of 2010, and a Gateway between them.
func Example() {
	ended := make(chan error, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil {
				ended <- err
				return
			}
			conn.WriteMessage(kind, append([]byte("echo of "), message...))
		}
	}))
	defer backend.Close()

	gateway := translate.New(translate.Options{
		Backend: modern.Dialer{Address: backend.Listener.Addr().String()},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go gateway.Serve(ln)

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	u := &url.URL{Scheme: "ws", Host: ln.Addr().String(), Path: "/chat"}
	client, err := legacy.NewRequest(legacy.Hixie76, u).Open(conn)
	if err != nil {
		fmt.Println(err)
		return
	}
	client.WriteText("hello")
	fmt.Println(client.ReadText())

	client.WriteClose()
	_, err = client.ReadText()
	fmt.Println("client:", err)
	fmt.Println("backend:", <-ended)
	client.Close()
	gateway.Shutdown(context.Background())

	// Output:
	// echo of hello <nil>
	// client: EOF
	// backend: websocket: close 1000 (normal)
}
