package listen

import "testing"

func TestFlashPolicy(t *testing.T) {
	const head, tail = `<?xml version="1.0"?><cross-domain-policy>`, "</cross-domain-policy>\x00"
	for _, test := range []struct {
		domains []string
		want    string
	}{
		{nil, ""},
		{[]string{"*"}, `<allow-access-from domain="*" to-ports="*"/>`},
		{
			[]string{"example.com", "*.example.com"},
			`<allow-access-from domain="example.com" to-ports="*"/><allow-access-from domain="*.example.com" to-ports="*"/>`,
		},
		{[]string{`"/><x a="`}, `<allow-access-from domain="&#34;/&gt;&lt;x a=&#34;" to-ports="*"/>`},
	} {
		if got := string(flashPolicy(test.domains...)); got != head+test.want+tail {
			t.Errorf("%q: got  %q\nwant %q", test.domains, got, head+test.want+tail)
		}
	}
	if len(flashPolicyRequest) != 23 {
		t.Errorf("a request of %d bytes, want 23", len(flashPolicyRequest))
	}
}
