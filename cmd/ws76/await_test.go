package main

import (
	"fmt"
	"testing"
	"time"
)

// awaitReady waits until /readyz has a status.
func awaitReady(t *testing.T, admin string, status int) {
	t.Helper()
	eventually(t, fmt.Sprintf("/readyz with %d", status), func() bool {
		got, _ := get(t, "http://"+admin+"/readyz")
		return got == status
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is no %s", what)
		}
	}
}
