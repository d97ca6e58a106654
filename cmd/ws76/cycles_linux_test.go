package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ws76/ws76/modern"
)

// A villain is a backend that treats every connection badly, each in one of
// some ways.
type villain struct {
	name   string
	deeds  []string // what it answers; ACCEPT stands for the right value; none: it does not listen
	reason string   // why handshakes are refused; empty: they are not
	reset  bool     // it resets the connection, as a process that is killed does
}

var villains = []villain{
	{name: "refusing", reason: "backend-unreachable"},
	{name: "garbage", reason: "backend-bad-answer", deeds: []string{
		"",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"HTTP/1.1 101 Switching Proto",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		strings.ReplaceAll(upgraded, "ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xO0") + "\r\n",
		"HTTP/1.1 " + strings.Repeat("1", 70<<10),
		upgraded[:len(upgraded)-2] + strings.Repeat(" ", 70<<10),
	}},
	{name: "killed", reset: true, deeds: []string{
		upgraded + "\r\n",
		upgraded + "\r\n\x81",
		upgraded + "\r\n\x81\x05hello\x81\x7e\x01\x00begun",
		upgraded + "\r\n\x01\x05begun",
	}},
}

// start is the villain's address.
func (v villain) start(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if v.deeds == nil {
		ln.Close()
		address, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for i := 0; ; i++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go v.treat(conn.(*net.TCPConn), v.deeds[i%len(v.deeds)])
		}
	}()
	return ln.Addr().String()
}

// treat ends with a reset, so that the kernel forgets the connection; after it
// has been left, unless the villain is killed.
func (v villain) treat(conn *net.TCPConn, deed string) {
	conn.SetLinger(0)
	defer conn.Close()
	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	io.WriteString(conn, strings.ReplaceAll(deed, "ACCEPT", modern.AcceptKey(r.Header.Get("Sec-WebSocket-Key"))))
	if !v.reset {
		conn.CloseWrite()
		io.Copy(io.Discard, br)
	} else if !strings.HasSuffix(deed, "\r\n\r\n") {
		return
	}
	br.ReadByte() // nothing is lost by a reset any more
}

// patient is how far a client goes before it resets the connection.
type patient int

const (
	toTheEnd patient = iota
	untilAsked
	halfAHead
	stages
)

// run is one connection of a client; err is what a client that stays to the end
// has not expected.
func (v villain) run(address string, i int) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}}
	s, err := newSpeaker(&dialer, address, everyDialect[i%len(everyDialect)])
	if err != nil {
		return err
	}
	defer s.abort()
	switch head, _ := s.handshake("/"); patient(i / len(everyDialect) % int(stages)) {
	case untilAsked:
		s.Write(head)
		return nil
	case halfAHead:
		s.Write(head[:len(head)/2])
		return nil
	}
	var refused *refusedError
	switch err := s.open("/"); {
	case v.reason != "" && errors.As(err, &refused) && strings.Contains(refused.body, ": "+v.reason+"\n"):
		return nil
	case v.reason != "" || err != nil:
		return fmt.Errorf("a client of %s: %v", s.dialect, err)
	}
	s.say("hello")
	for err == nil {
		_, err = s.hear()
	}
	if errors.Is(err, errGoodbye) {
		return fmt.Errorf("a client of %s heard a goodbye of a backend that said none", s.dialect)
	}
	return nil
}

// Ten thousand connections to a backend in trouble leave nothing behind: no
// descriptor, no goroutine, no connection that counts as open.
func TestCyclesLeaveNothing(t *testing.T) {
	const cycles, workers = 10_000, 64
	for _, v := range villains {
		t.Run(v.name, func(t *testing.T) {
			g, admin := adminGateway(t, "WS76_BACKEND=http://"+v.start(t), "WS76_CLOSE_TIMEOUT=1s", "WS76_DRAIN_TIMEOUT=10s")
			go func() {
				for range g.lines { // nobody asks for them, and a log that is not read stops the gateway
				}
			}()
			before := g.atRest(admin)
			todo := make(chan int)
			var running sync.WaitGroup
			for range workers {
				running.Go(func() {
					for i := range todo {
						if err := v.run(g.listen, i); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for i := range cycles {
				todo <- i
			}
			close(todo)
			running.Wait()
			g.backTo(admin, before)

			_, after := scrape(t, admin)
			stayed := cycles / int(stages)
			var refused, opened, closed float64
			for name, value := range after {
				switch {
				case strings.HasPrefix(name, "ws76_handshakes_refused_total{") && strings.Contains(name, fmt.Sprintf("reason=%q", v.reason)):
					refused += number(value)
				case strings.HasPrefix(name, "ws76_connections_opened_total"):
					opened += number(value)
				case strings.HasPrefix(name, "ws76_connections_closed_total"):
					closed += number(value)
				}
			}
			if v.reason != "" && (refused < float64(stayed) || opened > 0) {
				t.Errorf("%v handshakes were refused for %s, %v opened; want at least %d and 0", refused, v.reason, opened, stayed)
			}
			if v.reason == "" && opened < float64(stayed) || opened != closed {
				t.Errorf("%v connections were opened, %v closed, want at least %d", opened, closed, stayed)
			}
			terminate(t, g)
			if status := g.ended(); status != exitOK {
				t.Errorf("exit status %d, want %d: somebody is still counted as connected", status, exitOK)
			}
			t.Logf("%v refused, %v opened; at the end %s goroutines and %s descriptors", refused, opened, after["go_goroutines"], after["process_open_fds"])
		})
	}
}
