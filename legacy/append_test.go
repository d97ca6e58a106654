package legacy_test

import (
	"bytes"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// A sent is a vector of hixie_send.
type sent struct {
	ID       string
	Dialects []string
	Action   string
	Text     string
	Hex      string
}

func TestAppend(t *testing.T) {
	_, send := loadFrames(t)
	for _, v := range send {
		t.Run(v.ID, func(t *testing.T) {
			const before = "before"
			got := []byte(before)
			switch v.Action {
			case "text":
				got = legacy.AppendText(got, []byte(v.Text))
			case "close":
				got = legacy.AppendClose(got)
			default:
				t.Fatalf("action %q", v.Action)
			}
			if want := append([]byte(before), unhex(t, v.Hex)...); !bytes.Equal(got, want) {
				t.Fatalf("got %x, want %x", got, want)
			}
			for _, d := range v.Dialects {
				back := scan(t, &legacy.Scanner{Dialect: dialects[d]}, [][]byte{got[len(before):]}, mode{})
				if len(back.events) != 1 || back.events[0].Ev != v.Action || back.events[0].Text != v.Text {
					t.Errorf("-%s reads back %+v", d, back.events)
				}
			}
		})
	}
}
