package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// pipedGateway is a gateway whose stderr is a pipe that the test reads, or does not.
func pipedGateway(t *testing.T, variables ...string) (g gateway, admin string, stderr *os.File) {
	t.Helper()
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	if admin, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	stderr, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stderr.Close() })
	p := &process{cmd: exec.Command("ws76", "serve"), listen: listen, exit: make(chan struct{})}
	p.cmd.Stderr = w
	p.cmd.Env = append(append(environment(), hasty, "WS76_LISTEN="+listen, "WS76_ADMIN="+admin), variables...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		p.cmd.Wait()
		close(p.exit)
	}()
	t.Cleanup(p.kill)
	eventually(t, "admin port", func() bool {
		resp, err := http.Get("http://" + admin + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return gateway{t, p}, admin, stderr
}

func lostLines(t *testing.T, admin string) int {
	t.Helper()
	_, samples := scrape(t, admin)
	n, err := strconv.Atoi(samples["ws76_log_lines_lost_total"])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// speak opens a connection and has messages echoed.
func (g gateway) speak(messages int) {
	g.t.Helper()
	conn := g.open(legacy.Hixie76, "/")
	defer conn.Close()
	if got, err := conn.ReadText(); got != "welcome" {
		g.t.Fatalf("got %q, %v", got, err)
	}
	for i := range messages {
		text := strconv.Itoa(i)
		if err := conn.WriteText(text); err != nil {
			g.t.Fatal(err)
		}
		if got, err := conn.ReadText(); got != text {
			g.t.Fatalf("got %q, %v; want %q", got, err, text)
		}
	}
}

// When the program that reads the log ends, the gateway does not: what cannot be
// written is counted. What broke: SIGPIPE ended it, without a drain.
func TestLogReaderGoesAway(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g, admin, stderr := pipedGateway(t, "WS76_BACKEND=http://"+b.address)
	stderr.Close()
	g.speak(1)
	g.speak(1)
	eventually(t, "lost line", func() bool { return lostLines(t, admin) > 0 })
	if err := g.signal(); err != nil {
		t.Fatal(err)
	}
	if status := g.ended(); status != exitOK {
		t.Errorf("exit status %d, want %d", status, exitOK)
	}
}

// A program that has the log and does not read it stops nothing either.
func TestLogReaderIsStuck(t *testing.T) {
	t.Parallel()
	b := gorillaBackend(t)
	g, admin, _ := pipedGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_LOG_LEVEL=trace")
	eventually(t, "lost line", func() bool {
		g.speak(500) // which are several lines each
		return lostLines(t, admin) > 0
	})
	open := g.open(legacy.Hixie76, "/")
	g.speak(1)
	if err := g.signal(); err != nil {
		t.Fatal(err)
	}
	if err := readToEnd(open); err != nil {
		t.Errorf("the drain did not end the connection: %v", err)
	}
	open.Close()
	if status := g.ended(); status != exitOK {
		t.Errorf("exit status %d, want %d", status, exitOK)
	}
}

// readToEnd reads messages until FF 00.
func readToEnd(conn *legacy.Conn) error {
	for {
		if _, err := conn.ReadText(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}
