package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exposure is the most that systemd-analyze security may find, from 0 to 10.
const exposure = 1.5

// units is ws76.service alone, and with what there is besides: drop-ins and a socket.
var units = []struct {
	name    string
	dropIns []string
}{
	{"alone", nil},
	{"socket", []string{"ws76.socket"}},
	{"tls", []string{"tls.conf"}},
	{"all", []string{"ws76.socket", "tls.conf"}},
}

// A unit is ws76.service and drop-ins by their file names.
type unit map[string]string

func readUnit(t *testing.T, dropIns ...string) unit {
	t.Helper()
	u := unit{"ws76.service": readFile(t, "docker/systemd/ws76.service")}
	for _, name := range dropIns {
		if strings.HasSuffix(name, ".socket") {
			u[name] = readFile(t, "docker/systemd/"+name)
			continue
		}
		u["ws76.service.d/"+name] = readFile(t, "docker/systemd/"+name)
	}
	return u
}

// install writes the unit where nothing else is; ws76 is that of the tests.
func (u unit) install(t *testing.T) (service string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range u {
		name = filepath.Join(dir, filepath.FromSlash(name))
		text = strings.ReplaceAll(text, "/usr/local/bin/ws76", program)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "ws76.service")
}

// verify is what systemd says when it loads the unit. Of other units on this
// machine it may say what it likes.
func (u unit) verify(t *testing.T) (problems []string) {
	service := u.install(t)
	files := []string{"verify", "--man=no", service}
	if u["ws76.socket"] != "" {
		files = append(files, filepath.Join(path.Dir(service), "ws76.socket"))
	}
	out, _ := exec.Command("systemd-analyze", files...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, path.Dir(service)) || strings.HasPrefix(line, "ws76.") {
			problems = append(problems, strings.TrimSpace(line))
		}
	}
	return problems
}

// security is what the unit may still do, if that is too much.
func (u unit) security(t *testing.T) (problems []string) {
	threshold := fmt.Sprintf("--threshold=%.0f", exposure*10)
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", threshold, u.install(t)).CombinedOutput()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "✓") {
			problems = append(problems, strings.TrimSpace(line))
		}
	}
	return append(problems, err.Error())
}

func TestSystemd(t *testing.T) {
	require(t, "systemd-analyze")
	for _, tt := range units {
		t.Run(tt.name, func(t *testing.T) {
			u := readUnit(t, tt.dropIns...)
			for _, problem := range slices.Concat(u.verify(t), u.security(t), u.problems(t)) {
				t.Error(problem)
			}
		})
	}
}

// values is what a directive is set to, in all files.
func (u unit) values(directive string) (values []string) {
	for _, text := range u {
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && name == directive {
				values = append(values, value)
			}
		}
	}
	return values
}

func (u unit) number(directive string) int {
	for _, value := range u.values(directive) {
		if n, err := strconv.Atoi(value); err == nil {
			return n
		}
	}
	return 0
}

// problems is what systemd does not know: whether it fits ws76.
func (u unit) problems(t *testing.T) (problems []string) {
	t.Helper()
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	known := settings(t)
	for _, line := range u.values("Environment") {
		for _, assignment := range strings.Fields(line) {
			name, _, _ := strings.Cut(assignment, "=")
			if _, ok := known[name]; !ok {
				complain("%s: there is no such variable", name)
			}
		}
	}
	if !slices.Equal(u.values("CapabilityBoundingSet"), []string{""}) {
		complain("it has a capability: %q", u.values("CapabilityBoundingSet"))
	}
	families := strings.Fields(strings.Join(u.values("RestrictAddressFamilies"), " "))
	if slices.Equal(u.values("Type"), []string{"notify"}) && !slices.Contains(families, "AF_UNIX") {
		complain("it cannot notify systemd: RestrictAddressFamilies=%q", families)
	}
	drain, err := time.ParseDuration(known["WS76_DRAIN_TIMEOUT"])
	if stop := time.Duration(u.number("TimeoutStopSec")) * time.Second; err != nil || stop <= drain {
		complain("TimeoutStopSec=%s is not longer than WS76_DRAIN_TIMEOUT=%s", stop, drain)
	}
	if got, want := u.number("LimitNOFILE"), 2*(60999-32768+1); got <= want {
		complain("LimitNOFILE=%d is not more than two for every ephemeral port, %d", got, want)
	}
	return problems
}

// What the tests read of systemd-analyze must be able to say no.
func TestSystemdProblems(t *testing.T) {
	require(t, "systemd-analyze")
	for _, tt := range []struct {
		name, file, from, to string
		check                func(unit, *testing.T) []string
		want                 string
	}{
		{"misspelt", "ws76.service", "NoNewPrivileges", "NoNewPrivilege", unit.verify, "Unknown key 'NoNewPrivilege'"},
		{"misspelt in a drop-in", "ws76.service.d/tls.conf", "LoadCredential", "LoadCredentials", unit.verify, "Unknown key 'LoadCredentials'"},
		{"no such program", "ws76.service", "ws76 check", "ws77 check", unit.verify, "ws77 is not executable"},
		{"root", "ws76.service", "DynamicUser=yes", "", unit.security, "User=/DynamicUser="},
		{"every call", "ws76.service", "SystemCallFilter", "#SystemCallFilter", unit.security, "SystemCallFilter="},
		{"misspelt in the socket", "ws76.socket", "ListenStream", "ListensStream", unit.verify, "Unknown key 'ListensStream'"},
		{"capability", "ws76.service", "CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", unit.problems, "a capability"},
		{"notifications", "ws76.service", " AF_UNIX", "", unit.problems, "cannot notify"},
		{"variable", "ws76.service.d/tls.conf", "WS76_TLS_LISTEN", "WS76_TLS_LISTENS", unit.problems, "WS76_TLS_LISTENS: there is no such variable"},
		{"drain", "ws76.service", "TimeoutStopSec=30", "TimeoutStopSec=20", unit.problems, "TimeoutStopSec=20s"},
		{"descriptors", "ws76.service", "LimitNOFILE=60000", "LimitNOFILE=1024", unit.problems, "LimitNOFILE=1024"},
	} {
		u := readUnit(t, "ws76.socket", "tls.conf")
		before := u[tt.file]
		u[tt.file] = strings.ReplaceAll(before, tt.from, tt.to)
		if u[tt.file] == before {
			t.Errorf("%s: there is no %s in %s", tt.name, tt.from, tt.file)
		}
		if problems := strings.Join(tt.check(u, t), "\n"); !strings.Contains(problems, tt.want) {
			t.Errorf("%s: the complaints are %q, want %q", tt.name, problems, tt.want)
		}
	}
}

// A Go program that crashed has the status of a wrong setting, 2: neither may
// keep systemd from starting it again.
func TestSystemdRestarts(t *testing.T) {
	service := readUnit(t)["ws76.service"]
	if !strings.Contains(service, "\nRestart=on-failure\n") || strings.Contains(service, "RestartPreventExitStatus") {
		t.Errorf("it is not started again after every status:\n%s", service)
	}
}
