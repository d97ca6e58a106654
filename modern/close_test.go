package modern_test

import (
	"encoding/binary"
	"testing"

	"github.com/ws76/ws76/modern"
)

// sendable are the codes that may stand in a Close frame, first and last of
// each range, after RFC 6455 section 7.4 and the IANA registry.
var sendable = [][2]int{{1000, 1003}, {1007, 1011}, {1012, 1014}, {3000, 3999}, {4000, 4999}}

// Strictly, a Scanner takes the sendable codes and no others; leniently, all.
func TestSendable(t *testing.T) {
	want := [1 << 16]bool{}
	for _, codes := range sendable {
		for code := codes[0]; code <= codes[1]; code++ {
			want[code] = true
		}
	}
	for code, want := range want {
		if got := modern.Sendable(uint16(code)); got != want {
			t.Errorf("%d: got %v, want %v", code, got, want)
		}
		src := binary.BigEndian.AppendUint16([]byte{0x88, 2}, uint16(code))
		_, _, strict := (&modern.Scanner{}).Scan(src)
		_, _, lenient := (&modern.Scanner{Lenient: true}).Scan(src)
		if (strict == nil) != want || lenient != nil {
			t.Errorf("%d: strictly %v, leniently %v", code, strict, lenient)
		}
	}
}

func TestCodesAreSendable(t *testing.T) {
	for _, code := range []uint16{
		modern.NormalClosure, modern.GoingAway, modern.ProtocolFailure, modern.UnsupportedData, modern.InvalidPayload,
		modern.TooBig,
	} {
		if !modern.Sendable(code) {
			t.Errorf("%d is not", code)
		}
	}
	if modern.Sendable(modern.NoStatus) {
		t.Errorf("%d is", modern.NoStatus)
	}
}

// The codes are those of the registry.
func TestCodes(t *testing.T) {
	for want, code := range map[uint16]uint16{
		1000: modern.NormalClosure, 1001: modern.GoingAway, 1002: modern.ProtocolFailure, 1003: modern.UnsupportedData,
		1005: modern.NoStatus, 1007: modern.InvalidPayload, 1009: modern.TooBig,
	} {
		if code != want {
			t.Errorf("got %d, want %d", code, want)
		}
	}
}

func TestParseClose(t *testing.T) {
	for _, test := range []struct {
		payload string
		code    uint16
		reason  string
	}{
		{"", modern.NoStatus, ""},
		{"\x03", modern.NoStatus, ""},
		{"\x03\xe8", modern.NormalClosure, ""},
		{"\x03\xe8bye", modern.NormalClosure, "bye"},
		{"\x0f\xa0\u00e9", 4000, "\u00e9"},
		{"\x00\x00", 0, ""},
		{"\xff\xff", 65535, ""},
	} {
		if code, reason := modern.ParseClose([]byte(test.payload)); code != test.code || reason != test.reason {
			t.Errorf("%x: got %d, %q, want %d, %q", test.payload, code, reason, test.code, test.reason)
		}
	}
}
