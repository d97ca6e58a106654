package demo

import (
	"net"
	"sync"
	"time"
)

// A tap records what goes over the connections of the demo.
type tap struct {
	mu      sync.Mutex
	events  []event
	stopped bool
}

// An event is bytes that went one way in any number of segments.
type event struct {
	way  string // "client ► ws76"
	data []byte
}

// client is the client's end of a connection to the gateway.
func (t *tap) client(conn net.Conn) net.Conn {
	return &tapConn{Conn: conn, tap: t, sent: "client ► ws76", received: "ws76 ► client"}
}

func (t *tap) add(way string, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || len(data) == 0 {
		return
	}
	if last := len(t.events) - 1; last >= 0 && t.events[last].way == way {
		t.events[last].data = append(t.events[last].data, data...)
		return
	}
	t.events = append(t.events, event{way, append([]byte(nil), data...)})
}

// take returns the events since the last call.
func (t *tap) take() []event {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.events
	t.events = nil
	return events
}

// putBack lets take return events again.
func (t *tap) putBack(events []event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(events, t.events...)
}

// await waits up to a second for an event in that direction, because the backend may
// answer after the client is done.
func (t *tap) await(way string) {
	for range 100 {
		t.mu.Lock()
		for _, e := range t.events {
			if e.way == way {
				t.mu.Unlock()
				return
			}
		}
		t.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

func (t *tap) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped, t.events = true, nil
}

// A tapListener taps the backend's end of its connections.
type tapListener struct {
	net.Listener
	tap *tap
}

func (l tapListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tapConn{Conn: conn, tap: l.tap, sent: "backend ► ws76", received: "ws76 ► backend"}, nil
}

type tapConn struct {
	net.Conn
	tap            *tap
	sent, received string
}

func (c *tapConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.add(c.received, p[:n])
	return n, err
}

func (c *tapConn) Write(p []byte) (int, error) {
	c.tap.add(c.sent, p)
	return c.Conn.Write(p)
}
