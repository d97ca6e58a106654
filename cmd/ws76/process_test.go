package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
)

// patience ends what would otherwise hang. No test waits for it to pass.
const patience = time.Minute

// hasty keeps the race detector from sleeping for a second at every exit.
const hasty = "GORACE=atexit_sleep_ms=0"

// A process is a gateway in a process of its own: this test binary, which
// TestMain runs as ws76.
type process struct {
	cmd    *exec.Cmd
	listen string          // where clients connect
	lines  chan string     // of its log, until it ends
	exit   chan struct{}   // closed when it has ended
	mu     sync.Mutex      // guards output
	output strings.Builder // all of its log
}

// startProcess starts ws76 serve and waits until it serves. Where variables
// are not set otherwise, it listens on any port, and has no admin port.
func startProcess(variables ...string) (*process, error) {
	return startCommand(exec.Command("ws76", "serve"), variables...)
}

// startCommand is startProcess for a command that becomes ws76 serve.
func startCommand(cmd *exec.Cmd, variables ...string) (*process, error) {
	p := &process{cmd: cmd, lines: make(chan string, 4096), exit: make(chan struct{})}
	p.cmd.Env = append(environment(), hasty, "WS76_LISTEN=127.0.0.1:0", "WS76_ADMIN=off", "WS76_LOG_FORMAT=json")
	p.cmd.Env = append(p.cmd.Env, variables...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.follow(stderr)
	if err := p.awaitServing(); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// environment is our own without settings of ws76.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, prefix) })
}

// follow reads the log to its end.
func (p *process) follow(stderr io.Reader) {
	defer close(p.exit)
	defer p.cmd.Wait()
	defer close(p.lines)
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		p.mu.Lock()
		p.output.WriteString(scanner.Text() + "\n")
		p.mu.Unlock()
		p.lines <- scanner.Text()
	}
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// next is the next line of the log that matches.
func (p *process) next(match func(line string) bool) (string, error) {
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("the gateway ended:\n%s", p.log())
			}
			if match(line) {
				return line, nil
			}
		case <-timeout:
			return "", fmt.Errorf("the gateway has not logged what the test waits for:\n%s", p.log())
		}
	}
}

// servingAt finds the address in both formats of the log.
var servingAt = regexp.MustCompile(`\bserving\b.*\blisten"?[:=]"?([0-9.]+:\d+)`)

func (p *process) awaitServing() error {
	line, err := p.next(servingAt.MatchString)
	if err == nil {
		p.listen = servingAt.FindStringSubmatch(line)[1]
	}
	return err
}

// signal asks the process to end.
func (p *process) signal() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// wait is what became of the process.
func (p *process) wait() (*os.ProcessState, error) {
	select {
	case <-p.exit:
		return p.cmd.ProcessState, nil
	case <-time.After(patience):
		return nil, fmt.Errorf("the gateway has not ended:\n%s", p.log())
	}
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exit
}

// A gateway is a process with a JSON log that belongs to a test.
type gateway struct {
	t *testing.T
	*process
}

func startGateway(t *testing.T, variables ...string) gateway {
	t.Helper()
	p, err := startProcess(variables...)
	return belongs(t, p, err)
}

func belongs(t *testing.T, p *process, err error) gateway {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return gateway{t, p}
}

// logged is the next line of the log with this message.
func (g gateway) logged(message string) map[string]any {
	g.t.Helper()
	line, err := g.next(func(line string) bool { return fields(line)["@message"] == message })
	if err != nil {
		g.t.Fatalf("wait for %q: %v", message, err)
	}
	return fields(line)
}

// fields are those of a line of the log; a line that is not JSON has none.
func fields(line string) (of map[string]any) {
	json.Unmarshal([]byte(line), &of)
	return of
}

// says compares fields of a line of the log.
func (g gateway) says(line, want map[string]any) {
	g.t.Helper()
	for key, value := range want {
		if got := fmt.Sprint(line[key]); got != fmt.Sprint(value) {
			g.t.Errorf("the log says %s=%s, want %v", key, got, value)
		}
	}
}

// ended waits for the end and is the exit status.
func (g gateway) ended() int {
	g.t.Helper()
	state, err := g.wait()
	if err != nil {
		g.t.Fatal(err)
	}
	return state.ExitCode()
}

// terminate asks the process to end, which it must do in good order.
func (g gateway) terminate() {
	g.t.Helper()
	if err := g.signal(); err != nil {
		g.t.Fatal(err)
	}
	g.logged("drained")
	if status := g.ended(); status != exitOK {
		g.t.Errorf("exit status %d after SIGTERM, want %d:\n%s", status, exitOK, g.log())
	}
}

// open completes the opening handshake of a legacy client.
func (g gateway) open(d legacy.Dialect, target string) *legacy.Conn {
	g.t.Helper()
	return openLegacy(g.t, g.listen, d, target)
}

// openLegacy is open by way of another address.
func openLegacy(t *testing.T, address string, d legacy.Dialect, target string) *legacy.Conn {
	t.Helper()
	u, err := url.Parse("ws://" + address + target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := legacy.NewRequest(d, u).Open(connectTo(t, address))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (g gateway) connect() net.Conn {
	g.t.Helper()
	return connectTo(g.t, g.listen)
}

func connectTo(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// freeAddress is a loopback address that nobody listens on. Its port is below
// those that systems choose themselves, so that nobody gets it in the meantime,
// and no other test gets it either.
func freeAddress() (string, error) {
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.N(20000)))
		if err != nil {
			continue
		}
		address := ln.Addr().String()
		if err := ln.Close(); err != nil {
			return "", err
		}
		if _, given := givenAddresses.LoadOrStore(address, true); !given {
			return address, nil
		}
	}
	return "", errors.New("no free port between 10000 and 30000")
}

// givenAddresses are those that freeAddress has returned.
var givenAddresses sync.Map
