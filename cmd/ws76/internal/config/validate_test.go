package config

import "testing"

// Names and addresses of this machine are told as far as they can be.
func TestSamePort(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:8076", ":8076", true},
		{"127.0.0.1:8076", "0.0.0.0:8076", true},
		{"[::1]:8076", "[::]:8076", true},
		{"[::1]:8076", "localhost:8076", true},
		{"localhost:8076", ":8076", true},
		{"localhost:8076", "127.0.0.1:8076", true},
		{"LOCALHOST.:8076", "127.0.0.1:8076", true},
		{"[::ffff:127.0.0.1]:8076", "127.0.0.1:8076", true},
		{"127.0.0.1:8076", "127.0.0.1:8076", true},
		{"ws76.internal:8076", "WS76.internal:8076", true},
		{"0.0.0.0:8076", ":8076", true},
		{"0.0.0.0:8076", "127.0.0.1:8076", true},
		{"127.0.0.2:8076", "127.0.0.1:8076", false},
		{"127.0.0.1:8076", "[::1]:8076", false},
		{"127.0.0.1:8076", "192.0.2.1:8076", false},
		{"127.0.0.1:8080", ":8076", false},
		{"192.0.2.1:8076", ":8076", false},
		{"app:8076", ":8076", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:8076", "", false},
		{"unix:/run/a", "unix:/run/a", true},
		{"unix:/run/a", "unix:/run/b", false},
		{"unix:/run/a", ":8076", false},
	} {
		if got, back := samePort(tt.a, tt.b), samePort(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("%s and %s: %t, %t the other way round, want %t", tt.a, tt.b, got, back, tt.want)
		}
	}
}
