package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// connected runs ws76 connect with these arguments.
func connected(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"connect"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

// Real servers of the time: one that makes slips is refused, as browsers did.
func TestConnectDevices(t *testing.T) {
	t.Parallel()
	for _, device := range devices {
		for _, d := range []legacy.Dialect{legacy.Hixie75, legacy.Hixie76} {
			t.Run(device.name+"-"+d.String(), func(t *testing.T) {
				device.require(t)
				want, said := exitOK, "hällo €😀\n"
				if slices.Contains(device.lax, d) {
					want, said = exitFailed, ""
				}
				status, stdout, stderr := connected(t, "-dialect", d.String(), "-once", "hällo €😀", "ws://"+startDevice(t, device.program)+"/demo")
				if status != want || stdout != said {
					t.Errorf("status %d, %q, %q; want %d, %q", status, stdout, stderr, want, said)
				}
			})
		}
	}
}

// npm's ws of today, which also speaks version 8.
func TestConnectNode(t *testing.T) {
	t.Parallel()
	b := nodeBackend(t)
	for _, d := range []string{"8", "13"} {
		status, stdout, stderr := connected(t, "-json", "-dialect", d, "-protocol", "chat", "-once", "x", "ws://"+b.address+"/socket")
		if status != exitOK || !strings.Contains(stdout, `{"event":"message","text":"welcome"}`) {
			t.Errorf("-%s: status %d, %q, %q", d, status, stdout, stderr)
		}
		if status, _, stderr := connected(t, "-dialect", d, "-protocol", "mqtt", "-once", "x", "ws://"+b.address+"/socket"); status != exitOK {
			t.Errorf("-%s, another subprotocol, which the server leaves out: status %d, %q", d, status, stderr)
		}
	}
}
