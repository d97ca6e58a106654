package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// backendMain is the program ws76-backend: a backend in a process of its own,
// at the address that is its argument.
func backendMain() {
	if err := serveBackend(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveBackend(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	b := &backend{ended: make(chan conversation)}
	go func() {
		for c := range b.ended {
			fmt.Println("ended", c.code)
		}
	}()
	mux := http.NewServeMux()
	mux.Handle("/", b)
	mux.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "plain") })
	server := http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	return server.Serve(ln)
}

// A backendProcess can be killed, stopped and started again.
type backendProcess struct {
	address string
	before  []string // a command that runs the backend, with its arguments
	cmd     *exec.Cmd
	said    chan string // "ended" and the code of a Close frame, for each conversation
}

// startBackendProcess starts a backend at any address that is free.
func startBackendProcess(t *testing.T, before ...string) *backendProcess {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return startBackendAt(t, address, before...)
}

func startBackendAt(t *testing.T, address string, before ...string) *backendProcess {
	t.Helper()
	b := &backendProcess{address: address, before: before}
	b.start(t)
	return b
}

// start starts it, once more at the same address, and waits until it listens.
func (b *backendProcess) start(t *testing.T) {
	t.Helper()
	args := append(slices.Clone(b.before), "ws76-backend", b.address)
	b.cmd = exec.Command(args[0], args[1:]...)
	b.cmd.Env = append(environment(), hasty)
	b.cmd.Stderr = os.Stderr
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, said, ended := b.cmd, make(chan string, 1024), make(chan struct{})
	go func() {
		defer close(ended)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			said <- scanner.Text()
		}
		close(said)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	if b.said = said; b.next() != "listening" {
		t.Fatalf("%s does not listen", strings.Join(args, " "))
	}
}

// next is what the backend says next, empty when it has ended.
func (b *backendProcess) next() string { return <-b.said }

func (b *backendProcess) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// kill ends it as nothing can be caught, and waits.
func (b *backendProcess) kill(t *testing.T) {
	t.Helper()
	b.signal(t, syscall.SIGKILL)
	for range b.said {
	}
}
