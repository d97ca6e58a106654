package legacy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// A server's side of the opening handshake, with the request that -76 itself
// has for an example. Its answer is "8jKS'y:G*Co,Wxa-".
func ExampleHandshake_Accept() {
	client, conn := net.Pipe()
	go io.WriteString(client, "GET /demo HTTP/1.1\r\n"+
		"Host: example.com\r\n"+
		"Connection: Upgrade\r\n"+
		"Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"+
		"Sec-WebSocket-Protocol: sample\r\n"+
		"Upgrade: WebSocket\r\n"+
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n"+
		"Origin: http://example.com\r\n"+
		"\r\n"+
		"^n:ds[4U")

	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := legacy.Detect(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := legacy.NewHandshake(r, d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		h.Accept(conn, br, legacy.ResponseFields{
			Location: legacy.Location(false, r.Host, h.Resource),
			Protocol: h.Protocols()[0],
		}, 5*time.Second)
		conn.Close()
	}()

	answer := bufio.NewScanner(client)
	for answer.Scan() {
		fmt.Println(answer.Text())
	}
	// Output:
	// HTTP/1.1 101 WebSocket Protocol Handshake
	// Upgrade: WebSocket
	// Connection: Upgrade
	// Sec-WebSocket-Origin: http://example.com
	// Sec-WebSocket-Location: ws://example.com/demo
	// Sec-WebSocket-Protocol: sample
	//
	// 8jKS'y:G*Co,Wxa-
}

// A message that comes in two reads, and the closing handshake.
func ExampleScanner() {
	s := legacy.Scanner{Dialect: legacy.Hixie76, MaxMessage: 1 << 20}
	var buf []byte
	for _, read := range []string{"\x00Hel", "lo\xff\xff\x00"} {
		buf = append(buf, read...)
		for {
			tok, n, err := s.Scan(buf, false)
			if err != nil {
				fmt.Println(err)
				return
			}
			buf = buf[n:]
			if tok.Kind == legacy.More {
				break // what is left is scanned again with more behind it
			}
			switch tok.Kind {
			case legacy.Text:
				fmt.Printf("text %q\n", tok.Data)
			case legacy.Close:
				fmt.Println("close")
			}
		}
	}
	// Output:
	// text "Hello"
	// close
}

func ExampleParseKey() {
	key, err := legacy.ParseKey("4 @1  46546xW%0l 1 5")
	fmt.Println(key.Number, "/", key.Spaces, "=", key.Part, err)

	_, err = legacy.ParseKey("4 @1 46546xW%0l 1 5") // a proxy took one of two spaces
	fmt.Println(err)
	// Output:
	// 4146546015 / 5 = 829309203 <nil>
	// opening handshake: the number in a key is not a multiple of its spaces; a proxy on the way probably collapsed runs of spaces (not-multiple, "4 @1 46546xW%0l 1 5")
}

// An echo server for -76 and -75, and a client of it.
func ExampleUpgrader() {
	var upgrader legacy.Upgrader
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has responded
		}
		defer conn.Shutdown(r.Context())
		for {
			text, err := conn.ReadText()
			if err != nil || conn.WriteTextLossy(text) != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, err := new(legacy.Dialer).Dial(context.Background(), "ws"+strings.TrimPrefix(server.URL, "http"))
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.WriteText("Hello")
	fmt.Println(conn.ReadText())
	fmt.Println(conn.Shutdown(context.Background()))
	// Output:
	// Hello <nil>
	// <nil>
}

// One handler for every client: this package for -75 and -76, gorilla/websocket for
// RFC 6455.
func ExampleDetect() {
	var old legacy.Upgrader
	var modern websocket.Upgrader
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := legacy.Detect(r); err == nil && !d.Legacy() {
			if conn, err := modern.Upgrade(w, r, nil); err == nil {
				defer conn.Close()
				conn.WriteMessage(websocket.TextMessage, []byte("for RFC 6455"))
			}
			return
		}
		if conn, err := old.Upgrade(w, r); err == nil { // refuses what is malformed
			defer conn.Close()
			conn.WriteText("for -" + conn.Dialect().String())
		}
	})
	server := httptest.NewServer(handler)
	defer server.Close()

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		conn, err := (&legacy.Dialer{Dialect: d}).Dial(context.Background(), url)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(conn.ReadText())
		conn.Close()
	}
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, text, err := conn.ReadMessage()
	fmt.Println(string(text), err)
	conn.Close()
	// Output:
	// for -75 <nil>
	// for -76 <nil>
	// for RFC 6455 <nil>
}
