package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// A composeFile is what the test reads of one.
type composeFile struct {
	Include  []any
	Services map[string]struct{ Environment map[string]string }
}

func readCompose(t *testing.T, path string) (c composeFile) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c
}

// environment is what ws76 gets by a compose file and the files that it includes.
func (c composeFile) environment(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, include := range c.Include {
		paths := []any{include}
		if long, ok := include.(map[string]any); ok {
			paths = long["path"].([]any)
		}
		for _, p := range paths {
			name := filepath.Join(filepath.Dir(path), p.(string))
			maps.Copy(all, readCompose(t, name).environment(t, name))
		}
	}
	maps.Copy(all, c.Services["ws76"].Environment)
	return all
}

func composeFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docker", "demo", "*", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return append(files, filepath.Join(root, "docker", "compose.yaml"))
}

// No two services of a project have one image: Docker may fail to remove its two names at
// once ("unrecognized image ID").
func TestComposeImages(t *testing.T) {
	requireDocker(t)
	for _, path := range composeFiles(t) {
		var project struct {
			Services map[string]struct{ Build map[string]any }
		}
		text := docker(t, "compose", "-f", strings.TrimPrefix(path, root+"/"), "--profile", "*", "config", "--format", "json")
		if err := json.Unmarshal([]byte(text), &project); err != nil {
			t.Fatal(err)
		}
		of := map[string]string{}
		for name, service := range project.Services {
			if service.Build == nil {
				continue
			}
			build, err := json.Marshal(service.Build)
			if err != nil {
				t.Fatal(err)
			}
			if other := of[string(build)]; other != "" {
				t.Errorf("%s: %s and %s have one image, built by %s; give one build a label", path, name, other, build)
			}
			of[string(build)] = name
		}
	}
}

// ws76 accepts the settings of every compose file.
func TestComposeSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range composeFiles(t) {
		environment := readCompose(t, path).environment(t, path)
		if environment["WS76_BACKEND"] == "" {
			t.Errorf("%s: ws76 has no backend: %v", path, environment)
		}
		for name := range environment {
			seen[name] = true
		}
		if strings.HasPrefix(environment["WS76_TLS_CERT"], "/tls/") { // made when the demo starts
			environment["WS76_TLS_CERT"], environment["WS76_TLS_KEY"] = newPEM(t)
		}
		if err := accepted(environment); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, name := range []string{"WS76_ADMIN", "WS76_DRAIN_DELAY", "WS76_PROXY_PROTOCOL", "WS76_TLS_LISTEN"} {
		if !seen[name] {
			t.Errorf("no compose file sets %s, they set %q: not all were read", name, slices.Sorted(maps.Keys(seen)))
		}
	}
}
