package e2e

import (
	"image/png"
	"os"
	"path/filepath"
	"regexp"
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
			if name == "browser" {
				checkScreenshots(t, filepath.Join(filepath.Dir(path), "screenshots"), docker(t, project("logs", "--no-log-prefix", "ws76")...))
			}
			if seen := regexp.MustCompile(`the app sees (.*), this client is (.*)`).FindStringSubmatch(out); name == "haproxy" && (seen == nil || seen[1] != seen[2]) {
				t.Errorf("the app does not see the client's address:\n%s", out)
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
	said := string(out)
	if err != nil || strings.Count(said, " left=0 ") != 3 {
		t.Errorf("roll: %v\n%s", err, out)
	}
	if !strings.Contains(said, " messages said back, ") || strings.Contains(said, " 0 goodbyes") || strings.Contains(said, "not ok") {
		t.Errorf("the client says\n%s", said)
	}
}

// checkScreenshots wants a picture of each browser, and that they came with their dialects.
func checkScreenshots(t *testing.T, dir, log string) {
	t.Helper()
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, dialect := range map[string]string{"phantomjs": "76", "chromium": "13"} {
		file, err := os.Open(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		defer file.Close()
		picture, err := png.DecodeConfig(file)
		if err != nil || picture.Width < 300 || picture.Height < 200 {
			t.Errorf("the screenshot of %s: %+v, %v", name, picture, err)
		}
		if opened := regexp.MustCompile(`connection opened: dialect=` + dialect + ` .*path="?/room/socket`); !opened.MatchString(log) {
			t.Errorf("nobody opened the room with -%s:\n%s", dialect, log)
		}
	}
}
