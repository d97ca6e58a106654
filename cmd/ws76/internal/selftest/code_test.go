package selftest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ws76/ws76/translate/proxies"
)

// samples are findings with each value of each field, beside nothing and beside
// everything else, and some at random.
func samples() (all []Findings) {
	for at, field := range fields {
		for value := range 1 << field.bits {
			none, full := Findings{}, Findings{}
			for n, f := range fields {
				full[n] = byte(1<<f.bits - 1)
			}
			none[at], full[at] = byte(value), byte(value)
			all = append(all, none, full)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var f Findings
		for at, field := range fields {
			f[at] = byte(random.IntN(1 << field.bits))
		}
		all = append(all, f)
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	for _, f := range samples() {
		code := f.Code()
		if got, err := Decode(code); err != nil || got != f || len(code) != length {
			t.Fatalf("%v became %s, and that %v, %v", f, code, got, err)
		}
	}
}

// Each wrong digit and each two digits that changed places are found.
func TestErrorsAreFound(t *testing.T) {
	for _, f := range samples() {
		code := []byte(f.Code())
		for at := range code {
			for _, other := range []byte(alphabet) {
				wrong := slices.Clone(code)
				if wrong[at] = other; other == code[at] {
					continue
				}
				if _, err := Decode(string(wrong)); err != errCheck {
					t.Fatalf("%s as %s: %v", code, wrong, err)
				}
			}
			for with := range at {
				wrong := slices.Clone(code)
				if wrong[at], wrong[with] = code[with], code[at]; code[at] == code[with] {
					continue
				}
				if _, err := Decode(string(wrong)); err != errCheck {
					t.Fatalf("%s as %s: %v", code, wrong, err)
				}
			}
		}
	}
}

// A code is read as people write it down.
func TestDecodeIsForgiving(t *testing.T) {
	f := Findings{api: 2, dialect: 1, oneByte: 1}
	code := f.Code()
	for !strings.ContainsAny(code, "0") || !strings.ContainsAny(code, "1") {
		t.Fatalf("%s has no 0 and 1 to misread", code)
	}
	written := strings.NewReplacer("0", "o", "1", "l").Replace(strings.ToLower(code))
	for _, text := range []string{strings.ToLower(code), code[:4] + "-" + code[4:8] + " " + code[8:], written, strings.ReplaceAll(written, "l", "I")} {
		if got, err := Decode(text); err != nil || got != f {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", code[1:], code + "0", "U" + code[1:], "é" + code[2:], code[:6] + "U" + code[7:], "*" + code[1:]} {
		if _, err := Decode(text); err != errShape {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A code of a later version is not taken for one of this.
func TestVersion(t *testing.T) {
	bits := 0
	for _, known := range fields {
		bits += known.bits
	}
	if bits > 5*(length-1)-2 {
		t.Fatalf("%d bits leave less than 2 of a code for the version", bits)
	}
	digits := [length]byte{1 << 4} // the highest bit
	digits[length-1] = sum(digits)
	code := ""
	for _, d := range digits {
		code += alphabet[d : d+1]
	}
	if _, err := Decode(code); err != errVersion {
		t.Errorf("%s: %v", code, err)
	}
}

// Every word has room, and every proxy that is recognised has a place.
func TestFields(t *testing.T) {
	for at, field := range fields {
		if len(field.words) > 1<<field.bits {
			t.Errorf("field %d has %d words in %d bits", at, len(field.words), field.bits)
		}
	}
	for _, name := range proxies.Names() {
		if !slices.Contains(fields[proxy].words, name) {
			t.Errorf("%s has no place", name)
		}
	}
	for _, f := range []proxies.Fault{proxies.Held, proxies.Lost, proxies.Stripped, proxies.Downgraded, proxies.Rewritten} {
		if !slices.Contains(fields[fault].words, string(f)) {
			t.Errorf("%s has no place", f)
		}
	}
}

func TestTimes(t *testing.T) {
	for ms, want := range map[int]string{0: "under 10 ms", 9: "under 10 ms", 10: "under 30 ms", 2999: "under 3000 ms", 3000: "3000 ms or more", 1 << 30: "3000 ms or more"} {
		var f Findings
		if f.setTime(openTime, ms); f.word(openTime) != want {
			t.Errorf("%d ms are %q, want %q", ms, f.word(openTime), want)
		}
	}
	if got := (Findings{}).word(openTime); got != "" {
		t.Errorf("no time is %q", got)
	}
}
