package selftest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Findings are what the test of a device found. Each is the place of a word in the list
// of its field, or of a time among bounds.
type Findings [fieldCount]byte

// A field is one thing that is found out. Its number must never change, because codes are
// read by other versions of ws76 than those that made them.
type field int

// The fields.
const (
	api field = iota
	oneProtocol
	protocolList
	opening
	openTime
	dialect
	key3
	fault
	proxy
	refusal
	page
	oneByte
	twoBytes
	threeBytes
	fourBytes
	large
	hundred
	closing
	roundTrip
	ownPath
	fieldCount
)

// version is that of the table below. It is raised when a place gets another meaning;
// words may be added at the end of a list without.
const version = 0

// The lists that several fields share.
var (
	signatures = []string{"", "throws", "fails", "works"}
	echoes     = []string{"", "right", "wrong", "missing"}
)

// fields say how many bits a finding has in a code, the name by which the page sends it
// (empty: only the server knows it), what it is about, and the words that it may be; the
// first is "not known". One without words is a time.
var fields = [fieldCount]struct {
	bits        int
	name, about string
	words       []string
}{
	api:          {2, "api", "WebSocket of the browser", []string{"", "none", "WebSocket", "MozWebSocket"}},
	oneProtocol:  {2, "string", "new WebSocket(url, 'name')", signatures},
	protocolList: {2, "array", "new WebSocket(url, ['name'])", signatures},
	opening:      {3, "open", "new WebSocket(url)", []string{"", "throws", "closed", "timeout", "opened"}},
	openTime:     {3, "opentime", "time until it was open", nil},
	dialect:      {3, "", "what arrived at ws76", []string{"", "http", "75", "76", "7", "8", "13"}},
	key3:         {3, "", "key3", []string{"", "with the head", "within 1 s", "later", "never"}},
	fault:        {3, "", "fault on the way", []string{"", "held", "lost", "stripped", "downgraded", "rewritten"}},
	proxy:        {4, "", "proxy, as far as it shows", []string{"", "apache", "caddy", "go", "haproxy", "lighttpd", "nginx", "squid", "trafficserver", "varnish"}},
	refusal: {5, "", "refused by ws76", []string{"", "other", "dialect-not-allowed", "origin-not-allowed", "too-many-connections", "too-many-of-client",
		"too-many-handshakes", "shutting-down", "head-too-large", "key3-timeout", "key3-missing", "client-left", "client-slow", "http-version", "upgrade-missing", "bad-request"}},
	page:       {1, "secure", "page", []string{"http", "https"}},
	oneByte:    {2, "byte1", "characters of 1 byte", echoes},
	twoBytes:   {2, "byte2", "characters of 2 bytes", echoes},
	threeBytes: {2, "byte3", "characters of 3 bytes", echoes},
	fourBytes:  {2, "byte4", "characters of 4 bytes", echoes},
	large:      {2, "large", "64 KiB in one message", echoes},
	hundred:    {2, "hundred", "100 messages at once", echoes},
	closing:    {3, "close", "close", []string{"", "clean", "not clean", "no wasClean", "no event"}},
	roundTrip:  {3, "roundtrip", "shortest round trip", nil},
	ownPath:    {2, "path", "a path of the app", []string{"", "opened", "failed"}},
}

// word is empty for what is not known.
func (f Findings) word(at field) string {
	words := fields[at].words
	switch n := int(f[at]); {
	case words == nil:
		return timeWord(n)
	case n < len(words):
		return words[n]
	}
	return ""
}

// set notes a word. It reports false, and does nothing, for one that is not in the list.
func (f *Findings) set(at field, word string) bool {
	n := slices.Index(fields[at].words, word)
	if n >= 0 {
		f[at] = byte(n)
	}
	return n >= 0
}

// bounds are in milliseconds: a time has the place of the first that is longer.
var bounds = []int{0, 10, 30, 100, 300, 1000, 3000}

func (f *Findings) setTime(at field, ms int) {
	for f[at] = 1; int(f[at]) < len(bounds) && ms >= bounds[f[at]]; f[at]++ {
	}
}

func timeWord(place int) string {
	switch {
	case place == 0:
		return ""
	case place < len(bounds):
		return fmt.Sprintf("under %d ms", bounds[place])
	}
	return fmt.Sprintf("%d ms or more", bounds[len(bounds)-1])
}

// A code is length digits of base 32 in Crockford's alphabet, the last of which checks the
// others. The check is a sum over GF(32) with another weight for each place, so it finds
// each wrong digit and each two that changed places. Crockford's own check digit would
// too, but may be a * or a ~, which nobody can read out.
const (
	length   = 12
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// Code is the code of the findings.
func (f Findings) Code() string {
	packed := uint64(version)
	for at, known := range fields {
		packed = packed<<known.bits | uint64(f[at])
	}
	var digits [length]byte
	for n := length - 2; n >= 0; n-- {
		digits[n] = byte(packed & 31)
		packed >>= 5
	}
	digits[length-1] = sum(digits) // the weight of the last is 1, so the sum becomes 0
	for n, d := range digits {
		digits[n] = alphabet[d]
	}
	return string(digits[:])
}

// sum is 0 for digits without an error.
func sum(digits [length]byte) (sum byte) {
	weight := byte(1)
	for n := length - 1; n >= 0; n-- {
		sum ^= times(weight, digits[n])
		weight = times(weight, 2)
	}
	return sum
}

// times multiplies in GF(32) modulo x^5 + x^2 + 1, where the powers of x, which is 2, are
// all numbers from 1 to 31.
func times(a, b byte) (product byte) {
	for ; b > 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		if a <<= 1; a > 31 {
			a ^= 0b100101
		}
	}
	return product
}

// Errors of Decode.
var (
	errShape   = fmt.Errorf("a code has %d letters and digits, of which none is U", length)
	errCheck   = errors.New("a character is wrong, or two have changed places; ask for the code again")
	errVersion = errors.New("a newer ws76 made this code: explain it with that version")
)

// misread are letters that stand for digits, and what may be put between.
var misread = strings.NewReplacer("O", "0", "I", "1", "L", "1", "-", "", " ", "")

// Decode reads a code as a person may write it down.
func Decode(code string) (f Findings, err error) {
	code = misread.Replace(strings.ToUpper(code))
	if len(code) != length || strings.Trim(code, alphabet) != "" {
		return f, errShape
	}
	var digits [length]byte
	packed := uint64(0)
	for n := range length {
		digits[n] = byte(strings.IndexByte(alphabet, code[n]))
		packed = packed<<5 | uint64(digits[n])
	}
	if sum(digits) != 0 {
		return f, errCheck
	}
	packed >>= 5
	for at := fieldCount - 1; at >= 0; at-- {
		f[at] = byte(packed & (1<<fields[at].bits - 1))
		packed >>= fields[at].bits
	}
	if packed != version {
		return f, errVersion
	}
	return f, nil
}
