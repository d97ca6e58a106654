package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// requireDocker skips a test where no Docker daemon and no docker compose
// answer.
func requireDocker(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"info"}, {"compose", "version"}} {
		if out, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
			missing(t, "docker %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// docker runs a command of docker in the root of the repository and is what it
// prints.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := dockerCommand(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func dockerCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", args...)
	cmd.Dir = filepath.Join("..", "..")
	return cmd
}

// inspect is what docker knows of an image or a container.
func inspect(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(docker(t, "inspect", "--format", "{{json .}}", name)), into); err != nil {
		t.Fatal(err)
	}
}

// compose is a project by its file; what it started is removed when the test is
// over.
func compose(t *testing.T, file string) func(args ...string) []string {
	t.Helper()
	command := func(args ...string) []string { return append([]string{"compose", "-f", file}, args...) }
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := dockerCommand(command("logs", "--timestamps")...).CombinedOutput()
			t.Logf("%s", out)
		}
		down := dockerCommand(command("--profile", "*", "down", "--volumes", "--rmi", "local", "--timeout", "1")...)
		if out, err := down.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", down.Args, err, out)
		}
		leftovers(t, file)
	})
	return command
}

// leftovers is what docker/README.md's command to remove a demo must not leave. Every
// project has a name of its own, with which the names of all that it makes begin.
func leftovers(t *testing.T, file string) {
	t.Helper()
	name := regexp.MustCompile(`(?m)^name: (\S+)$`).FindStringSubmatch(readFile(t, file))[1]
	lists := [][]string{
		{"ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=" + name},
		{"network", "ls", "--quiet", "--filter", "label=com.docker.compose.project=" + name},
		{"volume", "ls", "--quiet", "--filter", "label=com.docker.compose.project=" + name},
	}
	for _, service := range strings.Fields(docker(t, "compose", "-f", file, "--profile", "*", "config", "--services")) {
		lists = append(lists, []string{"images", "--quiet", "--filter", "reference=" + name + "-" + service})
	}
	for _, list := range lists {
		if out := docker(t, list...); out != "" {
			t.Errorf("%s leaves, by docker %s: %s", file, strings.Join(list, " "), out)
		}
	}
}
