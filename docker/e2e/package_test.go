package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"sigs.k8s.io/yaml"
)

// A machine is a container of Debian that systemd runs.
type machine struct{ name string }

const machineImage = `FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd curl && rm -rf /var/lib/apt/lists/*
CMD ["/lib/systemd/systemd"]
STOPSIGNAL SIGRTMIN+3
`

func startMachine(t *testing.T) *machine {
	t.Helper()
	const image = "ws76-e2e:systemd"
	build := dockerCommand("build", "--quiet", "--tag", image, "-")
	build.Stdin = strings.NewReader(machineImage)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("docker build: %v\n%s", err, out)
	}
	cgroup := "/sys/fs/cgroup/systemd" // version 1
	if _, err := os.Stat(cgroup); err != nil {
		cgroup = "/sys/fs/cgroup"
	}
	m := &machine{docker(t, "run", "--detach", "--env", "container=docker", "--cap-add", "SYS_ADMIN",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--cgroupns", "host", "--volume", cgroup+":"+cgroup+":rw", "--tmpfs", "/run", "--tmpfs", "/tmp", image)}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := dockerCommand("exec", m.name, "journalctl", "--no-pager", "--lines=100").CombinedOutput()
			t.Logf("%s", out)
		}
		docker(t, "rm", "--force", "--volumes", m.name)
		docker(t, "image", "rm", "--force", image)
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		if out, err := m.try("systemctl is-system-running"); err == nil {
			return m
		} else if time.Now().After(deadline) {
			t.Fatalf("systemd: %v %s", err, out)
		}
	}
}

func (m *machine) try(script string) (string, error) {
	out, err := dockerCommand("exec", m.name, "sh", "-ec", script).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *machine) run(t *testing.T, script string) string {
	t.Helper()
	out, err := m.try(script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// buildPackage makes the .deb of a release by what .goreleaser.yaml says about packages.
// GoReleaser does it with the same library.
func buildPackage(t *testing.T) (file string) {
	t.Helper()
	program := buildRelease(t, root, "amd64")
	if out, err := exec.Command(filepath.Join(root, "docker/package/prepare")).CombinedOutput(); err != nil {
		t.Fatalf("prepare: %v\n%s", err, out)
	}
	var release struct {
		Packages []map[string]any `json:"nfpms"`
	}
	if err := yaml.Unmarshal([]byte(readFile(t, ".goreleaser.yaml")), &release); err != nil || len(release.Packages) != 1 {
		t.Fatalf("packages in .goreleaser.yaml: %v, %v", release, err)
	}
	p := release.Packages[0]
	delete(p, "formats")
	delete(p, "mtime") // a template of GoReleaser's
	p["name"], p["arch"], p["version"] = "ws76", "amd64", "7.6.0"
	for _, c := range p["contents"].([]any) {
		c := c.(map[string]any)
		c["src"] = filepath.Join(root, c["src"].(string))
	}
	p["contents"] = append(p["contents"].([]any), map[string]any{"src": program, "dst": "/usr/bin/ws76"})
	for name, file := range p["scripts"].(map[string]any) {
		p["scripts"].(map[string]any)[name] = filepath.Join(root, file.(string))
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	config, err := nfpm.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	info, err := config.Get("deb")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ws76.deb")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := deb.Default.Package(nfpm.WithDefaults(info), out); err != nil {
		t.Fatal(err)
	}
	return file
}

// The .deb is installed, started, upgraded and removed.
func TestDebianPackage(t *testing.T) {
	requireDocker(t)
	file := buildPackage(t)
	m := startMachine(t)
	docker(t, "cp", file, m.name+":/ws76.deb")
	// The one setting of the unit that a container cannot have.
	m.run(t, `mkdir -p /etc/systemd/system/ws76.service.d
		printf '[Service]\nPrivateUsers=no\n' >/etc/systemd/system/ws76.service.d/container.conf
		dpkg --install /ws76.deb`)
	if out := m.run(t, "systemctl show --property ActiveState --value ws76"); out != "inactive" {
		t.Errorf("it runs before it has settings: %s", out)
	}
	if out := m.run(t, "dpkg --status ws76; dpkg --listfiles ws76"); !strings.Contains(out, "\nMaintainer: ws76 authors <noreply@users.noreply.github.com>\n") ||
		!strings.Contains(out, "/ws76.1") || !strings.Contains(out, "/ws76.socket") {
		t.Errorf("the package is\n%s", out)
	}

	const alive = "curl --fail --silent --show-error http://127.0.0.1:9076/healthz"
	m.run(t, "echo WS76_MAX_CONNECTIONS=100 >>/etc/ws76.env; systemctl enable --now ws76; "+alive)
	pid := m.run(t, "systemctl show --property MainPID --value ws76")
	m.run(t, "dpkg --install /ws76.deb; grep -q WS76_MAX_CONNECTIONS=100 /etc/ws76.env; "+alive)
	if now := m.run(t, "systemctl show --property MainPID --value ws76"); now == pid || now == "0" {
		t.Errorf("an upgrade does not restart it: process %s, then %s", pid, now)
	}

	// Nobody is refused while it restarts: 502 is ws76's, which has no backend here.
	m.run(t, `systemctl stop ws76; systemctl start ws76.socket ws76
		systemctl restart ws76 & restart=$!
		for i in 1 2 3 4 5 6 7 8 9 10; do
			status=$(curl --silent --show-error --output /dev/null --write-out '%{http_code}' http://127.0.0.1/)
			[ "$status" = 502 ]
		done
		wait $restart`)

	m.run(t, "dpkg --remove ws76; ! systemctl --quiet is-active ws76 ws76.socket; ! command -v ws76")
}
