package probe

import "testing"

func TestBackendSettings(t *testing.T) {
	for want, works := range map[string][]string{
		"WS76_BACKEND_DIALECT=76":                         {"76", "75-strict"},
		"WS76_BACKEND_DIALECT=75":                         {"75-strict", "75-lax"},
		"WS76_BACKEND_DIALECT=75 and WS76_BACKEND_LAX=on": {"75-lax"},
		"": {"13", "76", "75-strict"},
	} {
		var results []Result
		for _, name := range Attempts() {
			r := Result{Attempt: name, Outcome: RefusedByApp}
			for _, w := range works {
				if w == name {
					r.Outcome = Works
				}
			}
			results = append(results, r)
		}
		if got := BackendSettings(results); got != want {
			t.Errorf("%q work: got %q, want %q", works, got, want)
		}
	}
	if got := BackendSettings(nil); got != "" {
		t.Errorf("nothing tried: got %q", got)
	}
}
