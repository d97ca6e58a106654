package legacy_test

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// seeds counts what is added to a corpus: one that vanishes fails.
type seeds struct {
	*testing.F
	n int
}

func (s *seeds) add(args ...any) {
	s.Add(args...)
	s.n++
}

func (s *seeds) atLeast(n int) {
	s.Helper()
	if s.n < n {
		s.Fatalf("%d seeds, want at least %d", s.n, n)
	}
}

func FuzzParseKey(f *testing.F) {
	corpus := seeds{F: f}
	all := loadChallenges(f)
	for _, v := range all.Valid {
		corpus.add(v.Key1)
		corpus.add(v.Key2)
	}
	for _, v := range all.Invalid {
		corpus.add(v.Key1)
		corpus.add(v.Key2)
	}
	corpus.add(strings.Repeat("x", 256))
	corpus.add(strings.Repeat("9", 257))
	corpus.atLeast(2*(18+15) + 2)
	f.Fuzz(func(t *testing.T, value string) {
		got, err := legacy.ParseKey(value)
		want, word := parseKey(value)
		if got != want || reason(err) != word {
			t.Errorf("%q: got %+v, %v, want %+v, %q", value, got, err, want, word)
		}
	})
}

// parseKey is section 5.2 of -76 by the letter, with numbers of any size.
func parseKey(value string) (legacy.Key, string) {
	if len(value) > 256 {
		return legacy.Key{}, legacy.KeyTooLong
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, value)
	number, ok := new(big.Int).SetString(digits, 10)
	spaces := big.NewInt(int64(strings.Count(value, " ")))
	switch {
	case !ok:
		return legacy.Key{}, legacy.NoDigits
	case number.Cmp(big.NewInt(math.MaxUint32)) > 0:
		return legacy.Key{}, legacy.KeyOverflow
	case spaces.Sign() == 0:
		return legacy.Key{}, legacy.NoSpaces
	}
	part, remainder := new(big.Int).DivMod(number, spaces, new(big.Int))
	if remainder.Sign() != 0 {
		return legacy.Key{}, legacy.NotMultiple
	}
	return legacy.Key{Number: uint32(number.Uint64()), Spaces: uint32(spaces.Uint64()), Part: uint32(part.Uint64())}, ""
}

// However the bytes are cut, and whether the caller flushes or collects, the
// events are the same. The cuts are sizes of segments; what they do not reach
// is one segment more.
func FuzzScan(f *testing.F) {
	corpus := seeds{F: f}
	receive, _ := loadFrames(f)
	for _, v := range receive {
		whole, chunks := v.bytes(f)
		var sizes []byte
		for _, c := range chunks {
			sizes = append(sizes, byte(len(c)))
		}
		for _, d := range v.Dialects {
			corpus.add(whole, sizes, d == "76", uint16(v.MaxMessage), uint16(v.MaxSkip))
		}
	}
	corpus.atLeast(100)
	f.Fuzz(func(t *testing.T, data, sizes []byte, is76 bool, maxMessage, maxSkip uint16) {
		d := legacy.Hixie75
		if is76 {
			d = legacy.Hixie76
		}
		fresh := func() *legacy.Scanner {
			return &legacy.Scanner{Dialect: d, MaxMessage: int64(maxMessage), MaxSkip: int64(maxSkip)}
		}
		want := scan(t, fresh(), [][]byte{data}, mode{})
		for _, m := range modes {
			if got := scan(t, fresh(), segments(data, sizes), m); !equal(got, want) {
				t.Errorf("%x in pieces of %v, %+v:\ngot  %+v\nwant %+v", data, sizes, m, got, want)
			}
		}
	})
}

func segments(data, sizes []byte) (cut [][]byte) {
	for _, size := range sizes {
		n := min(int(size), len(data))
		cut = append(cut, data[:n])
		data = data[n:]
	}
	return append(cut, data)
}

// Whatever a peer sends, the head of the answer is one head, with nothing in
// it but the fields that are due, each on one line.
func FuzzRequestHead(f *testing.F) {
	corpus := seeds{F: f}
	for _, v := range handshakes(f, 47, func(handshake) bool { return true }) {
		corpus.add(v.bytes(f))
	}
	for _, test := range detectTests {
		corpus.add([]byte(test.head))
	}
	corpus.atLeast(110)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		d, err := legacy.Detect(r)
		if d == legacy.HTTP || err != nil {
			if err != nil && (d != legacy.HTTP || legacy.Describe(reason(err)) == "") {
				t.Errorf("%v, %v", d, err)
			}
			return
		}
		if !d.Legacy() {
			return
		}
		head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
		for _, raw := range [][]byte{nil, head} {
			h, err := legacy.NewHandshake(r, d, raw)
			if err != nil {
				if legacy.Describe(reason(err)) == "" {
					t.Error(err)
				}
				continue
			}
			checkAnswer(t, r, h)
		}
	})
}

func checkAnswer(t *testing.T, r *http.Request, h *legacy.Handshake) {
	t.Helper()
	answer := legacy.ResponseFields{Location: legacy.Location(false, r.Host, h.Resource)}
	lines := 5 // status, Upgrade, Connection, location, the blank one
	if h.Origin != "" {
		lines++
	}
	if list := h.Protocols(); len(list) > 0 {
		answer.Protocol = list[len(list)-1]
		lines++
	}
	if r.Header.Get("Sec-Websocket-Key") != "" {
		lines++
	}
	if err := h.CheckProtocol(answer.Protocol); err != nil {
		t.Error(err)
	}
	head := h.AppendHead(nil, answer)
	for _, end := range []string{"\r\n", "\r", "\n"} {
		if got := bytes.Count(head, []byte(end)); got != lines {
			t.Errorf("%q: %q %d times, want %d", head, end, got, lines)
		}
	}
	br := bufio.NewReader(bytes.NewReader(head))
	back, err := http.ReadResponse(br, r)
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 || back.StatusCode != 101 {
		t.Errorf("%q: status %d, %q left", head, back.StatusCode, rest)
	}
	prefix := "Sec-WebSocket-"
	if h.Dialect == legacy.Hixie75 {
		prefix = "WebSocket-"
	}
	for name, want := range map[string]string{"Origin": h.Origin, "Location": answer.Location} {
		// A folded line of a request may leave a blank at the end.
		if got := back.Header.Get(prefix + name); got != strings.Trim(want, " \t") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
