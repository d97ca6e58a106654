package translate_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// gatewayFor is the variable that makes the test binary a gateway: it names the
// backend.
const gatewayFor = "TRANSLATE_TEST_GATEWAY_FOR"

// TestGatewayProcess is no test but the gateway of one that wants a process of
// its own for it. It runs until its standard input ends.
func TestGatewayProcess(t *testing.T) {
	address := os.Getenv(gatewayFor)
	if address == "" {
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gw := translate.New(translate.Options{Backend: modern.Dialer{Address: address}})
	go gw.Serve(ln)
	fmt.Println("listening", ln.Addr())
	bufio.NewReader(os.Stdin).ReadString('\n')
	gw.Shutdown(context.Background())
}

// A process is a gateway of its own, and the peers of a rig.
type process struct {
	*rig
	cmd *exec.Cmd
}

func startProcess(t testing.TB) process {
	t.Helper()
	p := process{rig: &rig{TB: t, backend: newBackend(t)}}
	p.cmd = exec.Command(os.Args[0], "-test.run=^TestGatewayProcess$")
	p.cmd.Env = append(os.Environ(), gatewayFor+"="+p.backend.Addr().String())
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		p.cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if _, scanErr := fmt.Sscanf(line, "listening %s", &p.address); err != nil || scanErr != nil {
		t.Fatalf("the process said %q, %v, %v", line, err, scanErr)
	}
	return p
}

// peak is the largest resident memory that the process has had, in bytes.
func (p process) peak() int64 {
	p.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nVmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		p.Fatalf("%v in %s", err, status)
	}
	return n << 10
}

// Promise 5: a GiB in one message, each way, costs the gateway a few buffers.
func TestGiBInConstantMemory(t *testing.T) {
	size, most := int64(1<<30), int64(8<<20)
	if underRace() {
		size, most = 16<<20, 32<<20 // most of it the detector's own
	}
	p := startProcess(t)
	c, b := p.open(legacy.Hixie76)
	block := noise(1 << 20)
	c.SetDeadline(time.Now().Add(10 * patience))
	b.SetDeadline(time.Now().Add(10 * patience))
	before, began := p.peak(), time.Now()
	said := make(chan error, 2)
	go func() { said <- sayLarge(c, "\x00", block, size, "\xff") }()
	up := readLarge(t, b.br, block)
	go func() { said <- sayLarge(b, longHeader(size), block, size, "") }()
	down := readUntilFF(t, c.br, block)
	for range 2 {
		if err := <-said; err != nil {
			t.Fatal(err)
		}
	}
	took, grown := time.Since(began), p.peak()-before
	if up != size || down != size {
		t.Errorf("%d bytes up, %d down, want %d", up, down, size)
	}
	t.Logf("%d MiB each way in %v: peak of resident memory %d KiB, %d KiB more than before", size>>20, took, p.peak()>>10, grown>>10)
	if grown > most {
		t.Errorf("the peak has grown by %d KiB, want at most %d", grown>>10, most>>10)
	}
}
