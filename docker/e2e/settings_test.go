package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is the repository, seen from here.
var root = filepath.Join("..", "..")

// help is what ws76 says of itself.
var help = sync.OnceValues(func() (string, error) {
	out, err := exec.Command(program, "help").Output()
	return string(out), err
})

// settings is the variables that ws76 has, with their defaults.
func settings(t *testing.T) map[string]string {
	t.Helper()
	text, err := help()
	if err != nil {
		t.Fatalf("ws76 help: %v", err)
	}
	defaults := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(WS76_[A-Z0-9_]+)` \\| (?:`([^`]*)`)? \\|").FindAllStringSubmatch(text, -1) {
		defaults[row[1]] = row[2]
	}
	if len(defaults) < 20 {
		t.Fatalf("ws76 help has a table of %d variables:\n%s", len(defaults), text)
	}
	return defaults
}

// judged is what ws76 has said of environments.
var judged = map[string]error{}

// accepted has ws76 judge an environment, once: with the race detector it takes
// a second to start.
func accepted(environment map[string]string) error {
	key := fmt.Sprint(environment)
	if err, ok := judged[key]; ok {
		return err
	}
	cmd := exec.Command(program, "check")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WS76_") })
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("ws76 check: %v: %s", err, out)
	}
	judged[key] = err
	return err
}

// effective is a duration as it is set, else by default.
func effective(t *testing.T, name string, environment map[string]string) time.Duration {
	t.Helper()
	value := environment[name]
	if value == "" {
		value = settings(t)[name]
	}
	if value == "off" {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, value, err)
	}
	return d
}

// readFile reads a file of the repository.
func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
