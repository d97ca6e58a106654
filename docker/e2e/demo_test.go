package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every demo proves itself: its client says ok, and nothing but ok.
func TestDemos(t *testing.T) {
	requireDocker(t)
	files, err := filepath.Glob("../demo/*/compose.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no demo: %v", err)
	}
	for _, path := range files {
		name := filepath.Base(filepath.Dir(path))
		if name == "scale" || name == "monitoring" {
			continue // below
		}
		t.Run(name, func(t *testing.T) {
			project := compose(t, "docker/demo/"+name+"/compose.yaml")
			text, err := os.ReadFile(path)
			if command := "docker compose -f docker/demo/" + name + "/compose.yaml run --build --rm client\n"; err != nil || !strings.Contains(string(text), command) {
				t.Errorf("the file does not say %q", command)
			}
			out := docker(t, project("run", "--build", "--rm", "client")...)
			if !strings.Contains(out, "ok - closing handshake") || strings.Contains(out, "not ok") {
				t.Errorf("the client says\n%s", out)
			}
		})
	}
}

// A rolling restart of three gateways loses no message of a client that comes
// back when it is told goodbye.
func TestDemoScale(t *testing.T) {
	requireDocker(t)
	project := compose(t, "docker/demo/scale/compose.yaml")
	docker(t, project("up", "--build", "--detach")...)
	roll := dockerCommand()
	roll.Path, roll.Args = filepath.Join("..", "demo", "scale", "roll"), []string{"roll"}
	roll.Dir = "."
	out, err := roll.CombinedOutput()
	if err != nil || strings.Count(string(out), " left=0 ") != 3 {
		t.Errorf("roll: %v\n%s", err, out)
	}
	docker(t, project("wait", "client")...)
	said := docker(t, project("logs", "client")...)
	if !strings.Contains(said, " messages said back, ") || strings.Contains(said, " 0 goodbyes") || strings.Contains(said, "not ok") {
		t.Errorf("the client says\n%s", said)
	}
}
