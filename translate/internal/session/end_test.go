package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/codec"
)

// What an end says to both sides: the code of the Close frame to that of RFC 6455,
// and whether one of -76 gets FF 00.
func TestEndings(t *testing.T) {
	golden := []struct {
		reason string
		code   uint16
		clean  bool
	}{
		// What the client does.
		{"client-closed", 1000, true}, // FF 00 from -76, FIN between messages from -75
		{"client-gone", 1001, false},  // FIN between messages from -76
		{"client-cut", 1001, false},   // FIN inside a message, reset
		{"client-slow", 1001, false},
		{"message-too-big", 1009, true},
		{"skip-too-big", 1002, false},
		{"length-overflow", 1002, false},
		// What the backend does.
		{"text-utf8", 1007, false},
		{"binary-message", 1003, true},
		{"client-silent", 1001, false},
		{"bad-base64", 1007, false},
		{"backend-closed", 1000, true}, // FF 00 from -76, FIN between messages from -75; a Close has its own code
		{"backend-gone", 1001, false},  // which a backend of RFC 6455, being gone, does not get
		{"backend-slow", 1001, false},
		{"backend-silent", 1001, false},
		// What the gateway does.
		{"idle", 1001, true},
		{"shutting-down", 1001, true},
	}
	for _, want := range golden {
		t.Run(want.reason, func(t *testing.T) {
			if _, ok := endings[want.reason]; !ok {
				t.Fatal("got no ending")
			}
			got := endFor(ByGateway, want.reason, nil)
			if got.Reason != want.reason || got.code != want.code || got.clean != want.clean {
				t.Errorf("got %d, clean %v, want %d, %v", got.code, got.clean, want.code, want.clean)
			}
			if got.code != 0 && !modern.Sendable(got.code) {
				t.Errorf("%d must not be sent", got.code)
			}
		})
	}
	if len(endings) != len(golden) {
		t.Errorf("got %d endings, want %d", len(endings), len(golden))
	}
}

func TestEndByError(t *testing.T) {
	frame := func(src string) error {
		_, _, err := (&legacy.Scanner{MaxMessage: 1, MaxSkip: 1}).Scan([]byte(src), false)
		return err
	}
	protocol := func(src string) error {
		_, _, err := (&modern.Scanner{MaxMessage: 1}).Scan([]byte(src))
		return err
	}
	_, _, longLength := new(legacy.Scanner).Scan([]byte("\x80"+strings.Repeat("\xff", 10)), false)
	for _, test := range []struct {
		id     string
		err    error
		by     Side
		reason string
		code   uint16
		clean  bool
		says   bool // Err says more than the reason
	}{
		{"client-closed", codec.ErrClose, ByClient, ClientClosed, 1000, true, false},
		{"client-too-big", frame("\x00ab\xff"), ByClient, "message-too-big", 1009, true, true},
		{"client-skip", frame("\x80\x02"), ByClient, "skip-too-big", 1002, false, true},
		{"client-length", longLength, ByClient, "length-overflow", 1002, false, true},
		{"close", &codec.CloseError{Code: 1000, Reason: "bye"}, ByBackend, BackendClosed, 1000, true, true},
		{"close-4000", &codec.CloseError{Code: 4000, Reason: ""}, ByBackend, BackendClosed, 4000, true, true},
		{"close-no-code", &codec.CloseError{Code: modern.NoStatus, Reason: ""}, ByBackend, BackendClosed, 1005, true, true},
		{"backend-too-big", protocol("\x81\x02ab"), ByBackend, "message-too-big", 1009, true, true},
		{"backend-mask", protocol("\x81\x80aaaa"), ByBackend, "mask", 1002, false, true},
		{"backend-opcode", protocol("\x83\x00"), ByBackend, "opcode", 1002, false, true},
		{"backend-close-utf8", protocol("\x88\x03\x03\xe8\xff"), ByBackend, "close-reason-utf8", 1007, false, true},
		{"binary", codec.ErrBinary, ByBackend, BinaryMessage, 1003, true, false},
		{"backend-ff00", codec.ErrClose, ByBackend, BackendClosed, 1000, true, false},
		{"backend-skip", frame("\x80\x02"), ByBackend, "skip-too-big", 1002, false, true},
		{"client-opcode", protocol("\x83\x00"), ByClient, "opcode", 1002, false, true},
		{"client-binary", codec.ErrBinary, ByClient, BinaryMessage, 1003, true, false},
		{"client-base64", codec.ErrBase64, ByClient, InvalidBase64, 1007, false, false},
		{"client-text", codec.ErrInvalidUTF8, ByClient, InvalidUTF8, 1007, false, false},
		{"text", codec.ErrInvalidUTF8, ByBackend, InvalidUTF8, 1007, false, false},
	} {
		t.Run(test.id, func(t *testing.T) {
			for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
				got := endByError(test.by, err)
				if got.By != test.by || got.Reason != test.reason || got.code != test.code || got.clean != test.clean {
					t.Errorf("got %+v, want %+v", got, test)
				}
				if errors.Is(got.Err, test.err) != test.says {
					t.Errorf("got %v of %v", got.Err, err)
				}
			}
		})
	}
}
