package terminal

import (
	"bytes"
	"testing"
)

func TestPrinter(t *testing.T) {
	for _, tt := range []struct {
		colour bool
		want   string
	}{{true, "\x1b[1mx\x1b[0m"}, {false, "x"}} {
		if got := (&Printer{Colour: tt.colour}).Paint(Bold, "x"); got != tt.want {
			t.Errorf("colour %t: %q, want %q", tt.colour, got, tt.want)
		}
	}
	if NewPrinter(new(bytes.Buffer)).Colour {
		t.Error("what is no terminal gets colours")
	}
}
