package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// require skips a test that drives real programs where one of them is missing.
// On CI nothing may be skipped: there it fails.
func require(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, "%v", err)
			return
		}
	}
}

// missing says why a test cannot run here.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "" {
		t.Skipf(format, args...)
	} else {
		t.Fatalf("on CI nothing is skipped: "+format, args...)
	}
}

func TestRequire(t *testing.T) {
	const absent = "ws76-no-such-program"
	for _, tt := range []struct {
		ci       string
		programs []string
		want     []string
	}{
		{"", []string{"ws76"}, nil},
		{"true", []string{"ws76"}, nil},
		{"", []string{"ws76", absent}, []string{"skip"}},
		{"true", []string{"ws76", absent}, []string{"fatal"}},
		{"1", []string{absent}, []string{"fatal"}},
	} {
		t.Setenv("CI", tt.ci)
		r := &verdicts{TB: t}
		require(r, tt.programs...)
		if !slices.Equal(r.heard, tt.want) {
			t.Errorf("CI=%q: require(%q) came to %q, want %q", tt.ci, tt.programs, r.heard, tt.want)
		}
	}
}

// verdicts is a testing.TB that writes down what it would have done.
type verdicts struct {
	testing.TB
	heard []string
}

func (v *verdicts) Skipf(format string, args ...any)  { v.hear("skip", format, args) }
func (v *verdicts) Fatalf(format string, args ...any) { v.hear("fatal", format, args) }

func (v *verdicts) hear(verdict, format string, args []any) {
	v.heard = append(v.heard, verdict)
	v.Logf("%s: %s", verdict, fmt.Sprintf(format, args...))
}
