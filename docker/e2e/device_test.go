package e2e

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Chromium shows the page of an instrument whose server speaks -76 only, with readings
// that are live, and the instrument hears its button.
func TestChromiumShowsInstrument(t *testing.T) {
	requireDocker(t)
	require(t, "chromium")
	project := compose(t, "docker/demo/device/compose.yaml")
	docker(t, project("up", "--build", "--detach", "--wait")...)
	ctx, cancel := context.WithTimeout(startChromium(t), patience)
	defer cancel()
	visit(t, ctx, "http://127.0.0.1:8076/")
	shown := call[[]string](t, ctx, `new Promise(done => {
		let clicked = false;
		const seen = [], text = id => document.getElementById(id).textContent;
		const timer = setInterval(() => {
			if (text('reading') !== seen.at(-1) && text('state') === 'connected') seen.push(text('reading'));
			if (seen.length === 5 && !clicked) { clicked = true; document.getElementById('fahrenheit').click(); }
			if (text('reading').endsWith('°F')) { clearInterval(timer); done(seen); }
		}, 20);
	})`)
	reading := regexp.MustCompile(`^(\d+): \d+\.\d °[CF]$`)
	last := 0
	for i, text := range shown {
		number := reading.FindStringSubmatch(text)
		if number == nil && i == 0 {
			continue // before the first one
		}
		if number == nil {
			t.Fatalf("Chromium shows %q", shown)
		}
		if n, _ := strconv.Atoi(number[1]); n <= last {
			t.Errorf("reading %d after %d", n, last)
		} else {
			last = n
		}
	}
	if log := docker(t, project("logs", "ws76")...); !strings.Contains(log, "connection opened: dialect=13") {
		t.Errorf("the log of ws76 says\n%s", log)
	}
}
