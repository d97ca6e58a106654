package legacy_test

import (
	"encoding/json"
	"testing"

	"github.com/ws76/ws76/legacy/legacytest"
)

// load reads a file of vectors, each of which must have at least its number
// of cases: a corpus that vanishes fails.
func load(t testing.TB, file string, into any) {
	t.Helper()
	f, err := legacytest.Vectors().Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func atLeast[T any](t testing.TB, cases []T, n int) {
	t.Helper()
	if len(cases) < n {
		t.Fatalf("%d cases, want at least %d", len(cases), n)
	}
}
