package codec

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/ws76/ws76/modern"
)

// adaptCases are frames of a version 7 or 8 client, and what the backend gets
// if that is not the same. Masking keys are 0.
var adaptCases = []struct{ id, in, want string }{
	{"text", "\x81\x85\x00\x00\x00\x00Hello", ""},
	{"two", "\x01\x83\x00\x00\x00\x00Hel\x80\x82\x00\x00\x00\x00lo", ""},
	{"empty", "\x81\x80\x00\x00\x00\x00\x82\x80\x00\x00\x00\x00", ""},
	{"length in 2 bytes", "\x81\xfe\x00\x02\x00\x00\x00\x00Hi", "\x81\x82\x00\x00\x00\x00Hi"},
	{"length in 8 bytes", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00Hi", "\x81\x82\x00\x00\x00\x00Hi"},
	{"close", "\x88\x82\x00\x00\x00\x00\x03\xe8", ""},
	{"close without code", "\x88\x80\x00\x00\x00\x00", ""},
	{"close of one byte", "\x88\x81\x00\x00\x00\x00\x03", ""},
	{"close, too large", "\x88\x85\x00\x00\x00\x00\x03\xecbig", "\x88\x85\x00\x00\x00\x00\x03\xf1big"},
	{"close, abnormal", "\x88\x82\x00\x00\x00\x00\x03\xee", "\x88\x82\x00\x00\x00\x00\x03\xe9"},
	{"close, unknown", "\x88\x82\x00\x00\x00\x00\x0b\xb7", "\x88\x82\x00\x00\x00\x00\x03\xea"},
	{"close too long", "\x88\xfe\x00\x7e\x00\x00\x00\x00\x03\xec", ""},
	{"reserved bit", "\xc1\xfe\x00\x02\x00\x00\x00\x00Hi", ""},
	{"unmasked", "\x81\x7e\x00\x02Hi", ""},
	{"4 GiB and 5", "\x81\xff\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00\x00Hello\x88\x80\x00\x00\x00\x00", ""},
	{"2^62", "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Hello", ""},
	{"2^63", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Hello", ""},
	{"2^64 - 1", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00Hello", ""},
	{"2^64 - 1, unmasked", "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xffHello", ""},
}

// A length of 2^64 - 1 ended the process; one over 4 GiB was cut on machines of
// 32 bits, and payload passed for frames.
func TestAdapt(t *testing.T) {
	for _, tt := range adaptCases {
		if tt.want == "" {
			tt.want = tt.in
		}
		for cut := range len(tt.in) {
			if got := carryAdapt(t, []byte(tt.in[:cut]), []byte(tt.in[cut:])); string(got) != tt.want {
				t.Errorf("%s, cut at %d: got %x, want %x", tt.id, cut, got, tt.want)
			}
		}
	}
}

// Between two frames nothing of one is under way, and within its payload something is.
func TestAdaptBoundary(t *testing.T) {
	const frames = "\x81\x83\x00\x00\x00\x00Hel\x89\x80\x00\x00\x00\x00\x88\x82\x00\x00\x00\x00\x03\xe8"
	a := NewAdapt(&Summary{})
	dst := make([]byte, MinRoom+len(frames))
	for taken := 0; taken < len(frames); {
		for end := taken + 1; ; end++ { // as soon as something is taken
			_, n, err := a.Transform(dst, []byte(frames[taken:end]), false)
			if err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				taken += n
				break
			}
		}
		within := taken >= len("\x81\x83\x00\x00\x00\x00") && taken < len("\x81\x83\x00\x00\x00\x00Hel")
		if a.AtBoundary() == within || a.MidMessage() {
			t.Errorf("after %d bytes: at a boundary %t, in a message %t", taken, a.AtBoundary(), a.MidMessage())
		}
	}
	if messages, bytes := a.Counts(); messages != 1 || bytes != int64(len(frames)) {
		t.Errorf("%d messages, %d bytes", messages, bytes)
	}
}

// However frames are cut, the backend gets the same.
func FuzzAdapt(f *testing.F) {
	for _, tt := range adaptCases {
		f.Add([]byte(tt.in), []byte{1, 2, 3, 4})
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		if got, want := carryAdapt(t, cutBy(sizes, data)...), modelAdapt(data); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	})
}

// carryAdapt is what the backend gets of the segments.
func carryAdapt(t *testing.T, segments ...[]byte) (got []byte) {
	t.Helper()
	a, in := NewAdapt(new(Summary)), []byte{}
	for _, segment := range segments {
		in = append(in, segment...)
		out := make([]byte, len(in))
		nDst, nSrc, err := a.Transform(out, in, false)
		if err != nil || nDst > nSrc {
			t.Fatalf("%d bytes of %d, %v", nDst, nSrc, err)
		}
		got, in = append(got, out[:nDst]...), in[nSrc:]
	}
	if a.bytes != int64(len(got)) {
		t.Fatalf("%d bytes counted of %d", a.bytes, len(got))
	}
	return got
}

// modelAdapt takes frame by frame what is there at once.
func modelAdapt(data []byte) (want []byte) {
	for {
		h, ok := modern.ParseHeader(data)
		if !ok {
			return want
		}
		header, payload := data[:h.Size], data[h.Size:]
		whole := uint64(len(payload)) >= h.Length
		if whole {
			payload = payload[:h.Length]
		}
		data = data[h.Size+len(payload):]
		if h.Masked && h.RSV == 0 {
			header = modern.AppendHeader(nil, h.Fin, h.Opcode, h.Length, h.Key)
			if h.Opcode == modern.Close && h.Length >= 2 && h.Length <= 125 {
				if !whole {
					return want
				}
				payload = bytes.Clone(payload)
				modern.Mask(payload, payload, h.Key)
				binary.BigEndian.PutUint16(payload, sendable(binary.BigEndian.Uint16(payload)))
				modern.Mask(payload, payload, h.Key)
			}
		}
		want = append(append(want, header...), payload...)
		if !whole {
			return want
		}
	}
}
