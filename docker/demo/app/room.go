package main

import (
	_ "embed"
	"net/http"
	"slices"
	"sync"

	"github.com/gorilla/websocket"
)

// roomPage is the page of the room, in the JavaScript of 2009.
//
//go:embed room.html
var roomPage []byte

// A room gives every message to everybody in it.
type room struct {
	mu     sync.Mutex
	people []*websocket.Conn
	said   []string // the last lines, for who comes later
}

// maxSaid is how many lines a newcomer gets.
const maxSaid = 20

func (*room) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(roomPage)
}

func (m *room) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	m.enter(conn)
	defer m.leave(conn)
	for {
		_, line, err := conn.ReadMessage()
		if err != nil {
			return
		}
		m.say(string(line))
	}
}

func (m *room) enter(conn *websocket.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range m.said {
		conn.WriteMessage(websocket.TextMessage, []byte(line))
	}
	m.people = append(m.people, conn)
}

func (m *room) leave(conn *websocket.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.people = slices.DeleteFunc(m.people, func(other *websocket.Conn) bool { return other == conn })
}

// say holds the lock while it writes, so that everybody gets the lines in one order.
func (m *room) say(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = append(m.said, line)
	m.said = m.said[max(0, len(m.said)-maxSaid):]
	for _, conn := range m.people {
		conn.WriteMessage(websocket.TextMessage, []byte(line))
	}
}
