package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/legacy/legacytest"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate"
)

// TestMain makes this test binary two programs for everything that the tests
// start: ws76, and a backend for it. Parallel tests mostly wait for such programs, so more
// of them run at a time than there are processors. Tests that keep the processors busy are
// not parallel.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // go test -parallel overrides it
	testscript.Main(m, map[string]func(){"ws76": main, "ws76-backend": backendMain})
}

// The scripts have these besides testscript's own commands:
//
//	exits STATUS PROGRAM [ARGUMENT...]   run, compare the exit status
//	start [VARIABLE=VALUE...]            start a gateway with these and the script's settings
//	terminate STATUS                     send it SIGTERM, compare its exit status, write its log to log
//
// these variables: FREE, an address that nobody listens on, TAKEN, one that
// somebody does, APP, that of a backend with WebSockets, GATEWAY, that of a gateway to
// it, and TLS, that of the same backend with TLS 1.1, which speaks -76 at /old; and these
// files: tls.pem and tls.key, which belong together, and other/tls.key, which does
// not.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     positive(exits),
			"start":     positive(start),
			"terminate": positive(terminated),
		},
	})
}

func setup(env *testscript.Env) error {
	free, err := freeAddress()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(func() { ln.Close() })
	env.Values[running] = new(*process)
	env.Vars = append(env.Vars, hasty)
	env.Setenv("FREE", free)
	env.Setenv("TAKEN", ln.Addr().String())
	app := scriptApp()
	server := httptest.NewServer(app)
	env.Defer(server.Close)
	env.Setenv("APP", server.Listener.Addr().String())
	old := httptest.NewUnstartedServer(app)
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	env.Defer(old.Close)
	env.Setenv("TLS", old.Listener.Addr().String())
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	gateway := translate.New(translate.Options{Backend: modern.Dialer{Address: server.Listener.Addr().String()}, PreserveHost: true})
	go gateway.Serve(clients)
	env.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		gateway.Shutdown(ctx)
	})
	env.Setenv("GATEWAY", clients.Addr().String())
	return errors.Join(writeNewPEM(env.WorkDir), writeNewPEM(filepath.Join(env.WorkDir, "other")))
}

// scriptApp repeats messages at /chat, as binary ones at /binary and to -76 at /old. At
// /fields it says what it was asked with, at /policy it closes with 1008.
func scriptApp() http.Handler {
	app := http.NewServeMux()
	serve := func(path string, serve func(*websocket.Conn, *http.Request)) {
		upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, CheckOrigin: func(*http.Request) bool { return true }}
		app.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if conn, err := upgrader.Upgrade(w, r, nil); err == nil {
				defer conn.Close()
				serve(conn, r)
			}
		})
	}
	for path, reply := range map[string]int{"/chat": websocket.TextMessage, "/binary": websocket.BinaryMessage} {
		serve(path, func(conn *websocket.Conn, _ *http.Request) {
			for {
				_, message, err := conn.ReadMessage()
				if err != nil || conn.WriteMessage(reply, message) != nil {
					return
				}
			}
		})
	}
	serve("/fields", func(conn *websocket.Conn, r *http.Request) {
		fields := fmt.Sprintf("%v %v %v %s", r.Header["Origin"], r.Header["X-Test"], r.Header["User-Agent"], conn.Subprotocol())
		conn.WriteMessage(websocket.TextMessage, []byte(fields))
		conn.ReadMessage()
	})
	serve("/policy", func(conn *websocket.Conn, _ *http.Request) {
		conn.ReadMessage()
		conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.ClosePolicyViolation, "no"))
		conn.ReadMessage()
	})
	app.HandleFunc("/old", func(w http.ResponseWriter, r *http.Request) {
		if conn, err := new(legacy.Upgrader).Upgrade(w, r); err == nil {
			defer conn.Close()
			legacytest.Echo(conn)
		}
	})
	return app
}

func writeNewPEM(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	_, err = writePEM(dir, "gateway.example", key)
	return err
}

// positive is a command that ! cannot be said of.
func positive(run func(ts *testscript.TestScript, args []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("! has no meaning here")
		}
		run(ts, args)
	}
}

func exits(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARGUMENT...]")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	checkStatus(ts, args[0], got)
}

func checkStatus(ts *testscript.TestScript, want string, got int) {
	if want != strconv.Itoa(got) {
		ts.Fatalf("exit status %d, want %s", got, want)
	}
}

// running is where a script keeps its gateway.
const running = "running"

func start(ts *testscript.TestScript, args []string) {
	var variables []string
	for _, name := range config.Names() {
		if value := ts.Getenv(name); value != "" {
			variables = append(variables, name+"="+value)
		}
	}
	p, err := startProcess(append(variables, args...)...)
	ts.Check(err)
	ts.Defer(p.kill)
	*ts.Value(running).(**process) = p
}

func terminated(ts *testscript.TestScript, args []string) {
	p := *ts.Value(running).(**process)
	if len(args) != 1 || p == nil {
		ts.Fatalf("usage: terminate STATUS, after start")
	}
	ts.Check(p.signal())
	state, err := p.wait()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("log"), []byte(p.log()), 0o600))
	checkStatus(ts, args[0], state.ExitCode())
}
