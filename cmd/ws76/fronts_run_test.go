package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A front is a reverse proxy in a process of its own.
type front struct {
	address string      // where clients connect
	tls     *tls.Config // with which; nil = without
	cmd     *exec.Cmd
	output  string // file of what it prints
	exit    chan struct{}
}

// documented finds the commands in the comment that a configuration begins
// with; what is in brackets behind one is about it.
var documented = regexp.MustCompile(`(?m)^[#;]\s+(check|run)\s+(.+?)(?:\s{2,}\(.*)?$`)

// frontProgram is what the configuration is for.
func frontProgram(text string) string {
	program, _, _ := strings.Cut(frontCommand(text, "run"), " ")
	return program
}

// frontCommand is empty if there is none: not every program has a check.
func frontCommand(text, verb string) string {
	for _, line := range documented.FindAllStringSubmatch(text, -1) {
		if line[1] == verb {
			return line[2]
		}
	}
	return ""
}

// readFront is a configuration of docker/fronts, as users copy it and, with
// pairs of old and new, as they change it. The test needs its program.
func readFront(t *testing.T, name string, edit ...string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(root, "docker", "fronts", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	for pair := range slices.Chunk(edit, 2) {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("%s has no %q", name, pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	require(t, frontProgram(text))
	return text
}

// startFront checks and starts a front by the commands in its configuration,
// between the address, where it listens, and the gateway.
func startFront(t *testing.T, text, address, gateway string, secure bool) *front {
	t.Helper()
	f := &front{address: address, exit: make(chan struct{})}
	dir := frontDir(t)
	if secure {
		f.tls = certify(t, filepath.Join(dir, "tls.pem"))
	}
	file := filepath.Join(dir, "front.conf")
	_, port, _ := net.SplitHostPort(address)
	_, gatewayPort, _ := net.SplitHostPort(gateway)
	here := strings.NewReplacer(ownDir(text), dir, "ws76", "127.0.0.1", "8076", gatewayPort, "0.0.0.0", "127.0.0.1", "8080", port, "8443", port)
	if err := os.WriteFile(file, []byte(here.Replace(text)), 0o644); err != nil {
		t.Fatal(err)
	}
	command := func(verb string) *exec.Cmd {
		line := pathTo.ReplaceAllLiteralString(here.Replace(frontCommand(text, verb)), file)
		cmd := exec.Command("sh", "-c", "exec "+line)
		cmd.Env = append(os.Environ(), "HOME="+dir)
		return cmd
	}
	if frontCommand(text, "check") != "" {
		if out, err := command("check").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", frontCommand(text, "check"), err, out)
		}
	}
	f.cmd, f.output = command("run"), filepath.Join(dir, "output")
	f.start(t)
	return f
}

// pathTo is what stands for the configuration in the commands.
var pathTo = regexp.MustCompile(`/path/to/\S+`)

// ownDir is the directory below /run that a configuration uses.
func ownDir(text string) string {
	if dir := regexp.MustCompile(`/run/[\w-]+`).FindString(text); dir != "" {
		return dir
	}
	return "/run/none"
}

// frontDir is a temporary directory that a front can enter as another user
// than it was started by.
func frontDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// start waits until the front accepts connections, and ends it with the test.
func (f *front) start(t *testing.T) {
	t.Helper()
	output, err := os.OpenFile(f.output, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.cmd.Stdout, f.cmd.Stderr = output, output
	ownGroup(f.cmd)
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.exit)
		defer output.Close()
		f.cmd.Wait()
	}()
	t.Cleanup(func() { f.end(t) })
	poll, timeout := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer poll.Stop()
	for {
		conn, err := net.Dial("tcp", f.address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-poll.C:
		case <-f.exit:
			t.Fatalf("the front ended: %s", f.cmd.ProcessState)
		case <-timeout:
			t.Fatalf("the front does not listen: %v", err)
		}
	}
}

// mercy is how long a front may take to end in good order.
const mercy = 5 * time.Second

// end ends the front and all that it has started.
func (f *front) end(t *testing.T) {
	endGroup(f.cmd, false)
	select {
	case <-f.exit:
	case <-time.After(mercy):
	}
	endGroup(f.cmd, true)
	<-f.exit
	if printed, err := os.ReadFile(f.output); t.Failed() && err == nil {
		t.Logf("the front printed:\n%s", bytes.TrimSpace(printed))
	}
}

// certify writes a key and its certificate for 127.0.0.1 into one file, and is
// how a client trusts it.
func certify(t *testing.T, file string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), certificate...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// errTimeout is what a read comes back with when patience is over.
var errTimeout = os.ErrDeadlineExceeded

// dialFront connects to a front as a client at an address of its own.
func dialFront(f *front, from net.IP) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	conn, err := dialer.Dial("tcp", f.address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	if f.tls != nil {
		conn = tls.Client(conn, f.tls)
	}
	return conn, nil
}
