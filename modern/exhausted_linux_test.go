package modern_test

import (
	"syscall"
	"testing"
)

// dialWithoutDescriptors dials while the process may open nothing more.
func dialWithoutDescriptors(t *testing.T, address string) error {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	return dial(t.Context(), address)
}
