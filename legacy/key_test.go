package legacy_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

type challenges struct {
	Schema int
	Valid  []struct {
		ID, Provenance, Source  string
		Key1, Key2              string
		Key3                    string `json:"key3_hex"`
		Number1, Spaces1, Part1 uint32
		Number2, Spaces2, Part2 uint32
		Challenge               string `json:"challenge_hex"`
		Response                string `json:"response_hex"`
	}
	Invalid []struct {
		ID, Source string
		Key1, Key2 string
		Key3       string `json:"key3_hex"`
		BadKey     string `json:"bad_key"`
		Error      string
	}
	Accept []struct{ Key, Accept, Source string }
}

func loadChallenges(t testing.TB) (c challenges) {
	t.Helper()
	load(t, "challenge.json", &c)
	atLeast(t, c.Valid, 18)
	atLeast(t, c.Invalid, 15)
	atLeast(t, c.Accept, 6)
	return c
}

func TestResponse(t *testing.T) {
	for _, v := range loadChallenges(t).Valid {
		t.Run(v.ID, func(t *testing.T) {
			k1, err1 := legacy.ParseKey(v.Key1)
			k2, err2 := legacy.ParseKey(v.Key2)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if want := (legacy.Key{Number: v.Number1, Spaces: v.Spaces1, Part: v.Part1}); k1 != want {
				t.Errorf("key1 %+v, want %+v", k1, want)
			}
			if want := (legacy.Key{Number: v.Number2, Spaces: v.Spaces2, Part: v.Part2}); k2 != want {
				t.Errorf("key2 %+v, want %+v", k2, want)
			}
			got := legacy.ChallengeResponse(k1, k2, [8]byte(unhex(t, v.Key3)))
			if hex.EncodeToString(got[:]) != v.Response {
				t.Errorf("got %x, want %s", got, v.Response)
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, v := range loadChallenges(t).Invalid {
		t.Run(v.ID, func(t *testing.T) {
			bad, err := "key1", error(nil)
			if _, err = legacy.ParseKey(v.Key1); err == nil {
				bad = "key2"
				_, err = legacy.ParseKey(v.Key2)
			}
			if got := string(reason(err)); bad != v.BadKey || got != v.Error {
				t.Errorf("%s: %q, want %s: %q", bad, got, v.BadKey, v.Error)
			}
		})
	}
}

func TestParseKeyLength(t *testing.T) {
	longest := strings.Repeat("x", 253) + "1 2"
	if _, err := legacy.ParseKey(longest); err != nil {
		t.Errorf("%d bytes: %v", len(longest), err)
	}
	// The length is looked at first: this one has no digit either.
	if _, err := legacy.ParseKey(strings.Repeat("x", 257)); reason(err) != legacy.KeyTooLong {
		t.Errorf("257 bytes: %v, want %s", err, legacy.KeyTooLong)
	}
}

// A proxy that adds a key of its own wants it answered.
func TestStrayKeyIsAnswered(t *testing.T) {
	for _, v := range loadChallenges(t).Accept {
		t.Run(v.Key, func(t *testing.T) {
			for _, head := range []string{head75, head76} {
				h := mustOpen(t, plus(head, "Sec-WebSocket-Key: "+v.Key))
				got := string(h.AppendHead(nil, legacy.ResponseFields{}))
				if want := "\r\nSec-WebSocket-Accept: " + v.Accept + "\r\n\r\n"; !strings.HasSuffix(got, want) {
					t.Errorf("-%s: got %q, want the end %q", h.Dialect, got, want)
				}
			}
		})
	}
}

// The shape of a key is that of -76 section 4.1: spaces 1 to 12 and never
// outside, 1 to 12 characters of noise, 1 to 10 digits. All of it is drawn anew for each.
func TestMakeKey(t *testing.T) {
	spaces, noises, characters, numbers, begins := map[uint32]bool{}, map[int]bool{}, map[byte]bool{}, map[uint32]bool{}, map[bool]bool{}
	defer func() {
		if len(spaces) < 12 || len(noises) < 12 || len(characters) < 84 || len(numbers) < 1900 || len(begins) < 2 {
			t.Errorf("of 2,000 keys %d numbers of spaces, %d of noise, %d characters of noise, %d numbers, digits first: %v", len(spaces), len(noises), len(characters), len(numbers), begins)
		}
	}()
	for range 2000 {
		key := legacy.MakeKey()
		k, err := legacy.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		noise := 0
		for i := range len(key) {
			switch c := key[i]; {
			case c < ' ' || c > '~':
				t.Fatalf("%q: character %#x", key, c)
			case c != ' ' && (c < '0' || c > '9'):
				noise++
				characters[c] = true
			}
		}
		spaces[k.Spaces], noises[noise], numbers[k.Number], begins[key[0] >= '0' && key[0] <= '9'] = true, true, true, true
		switch {
		case k.Spaces < 1 || k.Spaces > 12, noise < 1 || noise > 12, len(key) > 34:
			t.Fatalf("%q: %d spaces, %d noise, %d characters", key, k.Spaces, noise, len(key))
		case strings.Trim(key, " ") != key:
			t.Fatalf("%q: a space outside", key)
		}
	}
}

func TestMakeKeys(t *testing.T) {
	var a, b, none legacy.Request
	a.Dialect, b.Dialect, none.Dialect = legacy.Hixie76, legacy.Hixie76, legacy.Hixie75
	a.MakeKeys()
	b.MakeKeys()
	none.MakeKeys()
	if a.Key3 == b.Key3 || a.Key1 == b.Key1 || a.Key1 == a.Key2 {
		t.Errorf("twice the same: %+v, %+v", a, b)
	}
	if none.Key1+none.Key2 != "" {
		t.Errorf("-75 has keys: %+v", none)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
