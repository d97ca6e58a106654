package main

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// randomText has characters of 1 to 4 bytes, NUL and the highest one among them.
func randomText(random *rand.Rand, size int) string {
	ranges := [][2]rune{{0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, 0x10ffff}}
	var text strings.Builder
	for text.Len() < size {
		r := ranges[random.IntN(len(ranges))]
		text.WriteRune(r[0] + random.Int32N(r[1]-r[0]+1))
	}
	return text.String()
}

// Whatever gorilla sends, in fragments cut anywhere and with Pings between them, a server
// by Protocol::WebSocket repeats to the byte.
func TestDeviceOracle(t *testing.T) {
	t.Parallel()
	requirePerl(t)
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			g := startGateway(t, "WS76_BACKEND=http://"+startDevice(t, []string{"perl", "device.pl", d.String()}), "WS76_BACKEND_DIALECT="+d.String(), "WS76_BACKEND_LAX=on")
			dialer := websocket.Dialer{WriteBufferSize: 97} // of a fragment
			conn, _, err := dialer.Dial("ws://"+g.listen+"/demo", http.Header{"Origin": {"http://page.example"}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetReadDeadline(time.Now().Add(patience))
			pings, pongs := 0, 0
			conn.SetPongHandler(func(string) error { pongs++; return nil })
			random := rand.New(rand.NewPCG(75, 76))
			for i := range 150 {
				size := random.IntN(1 << random.IntN(18))
				if i%30 == 0 {
					size += 1 << 16
				}
				want := randomText(random, size)
				w, err := conn.NextWriter(websocket.TextMessage)
				if err != nil {
					t.Fatal(err)
				}
				for rest := want; rest != ""; {
					n := min(len(rest), 1+random.IntN(4096))
					w.Write([]byte(rest[:n]))
					rest = rest[n:]
					if random.IntN(4) == 0 {
						conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience))
						pings++
					}
				}
				w.Close()
				if kind, got, err := conn.ReadMessage(); err != nil || kind != websocket.TextMessage || string(got) != want {
					t.Fatalf("message %d: got %d bytes of kind %d, %v, want %d", i, len(got), kind, err, len(want))
				}
			}
			if pongs == 0 || pongs > pings {
				t.Errorf("%d Pongs to %d Pings", pongs, pings)
			}
		})
	}
}
