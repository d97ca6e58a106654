package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/legacy"
)

// The image has one program and the CA certificates, and nobody to be in it.
func TestImage(t *testing.T) {
	requireDocker(t)
	const image = "ws76-e2e:image"
	if dockerCommand("image", "inspect", "ws76").Run() != nil { // else it is somebody's
		t.Cleanup(func() { docker(t, "image", "rm", "--force", "ws76") })
		docker(t, strings.Fields("build -f docker/Dockerfile -t ws76 .")...) // as the README says
	}
	docker(t, "build", "--quiet", "--file", "docker/Dockerfile", "--build-arg", "VERSION=7.6.0-e2e", "--build-arg", "REVISION=abc", "--tag", image, ".")
	t.Cleanup(func() { docker(t, "image", "rm", "--force", image) })

	var built struct {
		Size   int64
		Config struct {
			User        string
			Labels      map[string]string
			Healthcheck struct{ Test []string }
			Entrypoint  []string
		}
	}
	inspect(t, image, &built)
	if built.Size > 15_000_000 {
		t.Errorf("the image has %d bytes, more than 15 MB", built.Size)
	}
	if c := built.Config; c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/ws76"}) || !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/ws76", "health"}) {
		t.Errorf("the image has %+v", c)
	}
	for name, want := range map[string]string{"title": "ws76", "licenses": "MIT", "version": "7.6.0-e2e", "revision": "abc", "source": "https://github.com/ws76/ws76"} {
		if got := built.Config.Labels["org.opencontainers.image."+name]; got != want {
			t.Errorf("label %s is %q, want %q", name, got, want)
		}
	}
	if got := docker(t, "run", "--rm", "--read-only", "--network", "none", image, "version"); !strings.HasPrefix(got, "ws76 7.6.0-e2e go1.") {
		t.Errorf("version: %q", got)
	}
	if out, err := dockerCommand("run", "--rm", "--entrypoint", "/bin/sh", image).CombinedOutput(); err == nil {
		t.Errorf("there is a shell: %s", out)
	}
	if files := filesOf(t, image); !slices.Equal(files, []string{"etc/ssl/certs/ca-certificates.crt", "ws76"}) {
		t.Errorf("the image has %q", files)
	}
}

// filesOf are the files of an image that Docker itself does not put there.
func filesOf(t *testing.T, image string) (files []string) {
	t.Helper()
	container := docker(t, "create", image)
	t.Cleanup(func() { docker(t, "rm", container) })
	export := dockerCommand("export", container)
	out, err := export.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := export.Start(); err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(out); ; {
		header, err := tr.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			files = append(files, header.Name)
		}
	}
	if err := export.Wait(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// The snippet that operators paste: unprivileged, read-only, healthy, and ended
// by docker stop within its grace, with every client closed in its dialect.
func TestSidecar(t *testing.T) {
	requireDocker(t)
	project := compose(t, "docker/compose.yaml")
	docker(t, project("up", "--build", "--detach", "--wait")...)
	container := docker(t, project("ps", "--quiet", "ws76")...)
	var running struct {
		State struct {
			Pid    int
			Health struct{ Status string }
		}
		HostConfig struct{ ReadonlyRootfs bool }
	}
	inspect(t, container, &running)
	if running.State.Health.Status != "healthy" || !running.HostConfig.ReadonlyRootfs {
		t.Errorf("the container: %+v", running)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", running.State.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nUid:\t65532\t65532\t65532\t65532\n", "\nCapEff:\t0000000000000000\n", "\nNoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the process has not %q:\n%s", want, status)
		}
	}

	clients := map[legacy.Dialect]*legacy.Conn{}
	for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
		clients[d] = openLegacy(t, d)
		if err := clients[d].WriteText("Hello"); err != nil {
			t.Fatal(err)
		}
		if got, err := clients[d].ReadText(); got != "Hello" {
			t.Fatalf("-%s: got %q, %v", d, got, err)
		}
	}
	modern, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:8076/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer modern.Close()

	docker(t, "stop", container)
	if _, err := clients[legacy.Hixie76].ReadText(); err != io.EOF {
		t.Errorf("-76: %v, want FF 00", err)
	}
	if _, err := clients[legacy.Hixie75].ReadText(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("-75: %v, want the end of TCP", err)
	}
	if _, _, err := modern.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseAbnormalClosure) {
		t.Errorf("13: %v, want the end of TCP without a Close frame", err)
	}
	var stopped struct{ State struct{ ExitCode int } }
	if inspect(t, container, &stopped); stopped.State.ExitCode != 0 {
		t.Errorf("exit status %d, want 0", stopped.State.ExitCode)
	}
	log := docker(t, "logs", container)
	if want := "drained: connections=3 closing_handshakes=1 tcp_ends=1 half_closes=1 by_themselves=0 left=0"; !strings.Contains(log, want) {
		t.Errorf("the log does not say %q:\n%s", want, log)
	}
}

// What the app says to try works as it is written.
func TestSidecarNext(t *testing.T) {
	requireDocker(t)
	require(t, "curl")
	project := compose(t, "docker/compose.yaml")
	docker(t, project("up", "--build", "--detach", "--wait")...)
	var commands []string
	for deadline := time.Now().Add(patience); len(commands) == 0 && time.Now().Before(deadline); {
		_, next, _ := strings.Cut(docker(t, project("logs", "--no-log-prefix", "app")...), "Next, in another terminal:\n")
		commands = strings.FieldsFunc(next, func(r rune) bool { return r == '\n' })
	}
	if len(commands) != 4 {
		t.Fatalf("the app says to try %q, want four commands", commands)
	}
	for i, want := range []string{"The app's page, for ", "Everything works.", "\nHello\n", "ok - closing handshake"} {
		command := exec.Command("sh", "-c", strings.Replace(commands[i], "exec ", "exec -T ", 1))
		command.Dir = root
		if out, err := command.CombinedOutput(); err != nil || !strings.Contains("\n"+string(out), want) { // stdout may come before stderr
			t.Errorf("%s: %v\n%s", commands[i], err, out)
		}
	}
}

// An app that is started anew has a new network namespace: ws76 follows it
// there.
func TestSidecarFollowsItsApp(t *testing.T) {
	requireDocker(t)
	project := compose(t, "docker/compose.yaml")
	docker(t, project("up", "--build", "--detach", "--wait")...)
	docker(t, project("restart", "app")...)
	docker(t, project("up", "--no-recreate", "--detach", "--wait")...)
	c := openLegacy(t, legacy.Hixie76)
	if err := c.WriteText("Hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.ReadText(); got != "Hello" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func openLegacy(t *testing.T, d legacy.Dialect) *legacy.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:8076")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	c, err := legacy.NewRequest(d, &url.URL{Scheme: "ws", Host: "127.0.0.1:8076", Path: "/chat"}).Open(conn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// buildRelease makes the program of a release for Linux, from the sources in dir.
func buildRelease(t *testing.T, dir, arch string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "ws76")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w -X main.stamp=7.6.0", "-o", binary, "./cmd/ws76")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOARM=7")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", arch, err, out)
	}
	return binary
}

// On other machines than this one the client and the backend of the demo talk too.
func TestOtherMachines(t *testing.T) {
	for arch, emulator := range map[string]string{"arm64": "qemu-aarch64-static", "arm": "qemu-arm-static"} {
		require(t, emulator)
		if out, err := exec.Command(emulator, buildRelease(t, root, arch), "demo", "-once").CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", arch, err, out)
		}
	}
}

// A release is the same bytes whoever builds it, and wherever the sources are.
func TestReproducible(t *testing.T) {
	elsewhere := t.TempDir()
	for _, name := range []string{"cmd", "legacy", "modern", "translate"} {
		if err := os.CopyFS(filepath.Join(elsewhere, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(elsewhere, name), []byte(readFile(t, name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var built [2][]byte
	for i, dir := range []string{root, elsewhere} {
		text, err := os.ReadFile(buildRelease(t, dir, "amd64"))
		if err != nil {
			t.Fatal(err)
		}
		built[i] = text
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Error("two builds of the same sources differ")
	}
}
