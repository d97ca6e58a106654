package legacy

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// maxKey is the longest Sec-WebSocket-Key1 or -Key2 that is looked at. A
// client makes at most 10 digits, 12 spaces and 12 other characters.
const maxKey = 256

// A Key is what a server reads out of a Sec-WebSocket-Key1 or -Key2 value
// (-76 section 5.2, steps 4 to 8).
type Key struct {
	Number uint32 // its digits, read as one decimal number
	Spaces uint32 // how many U+0020 it has
	Part   uint32 // Number / Spaces, the key's share of the challenge
}

// ParseKey reads the value of a key: everything after the colon and one space.
// The error is a *HandshakeError with Reason KeyTooLong, NoDigits,
// KeyOverflow, NoSpaces or NotMultiple, checked in this order.
func ParseKey(value string) (Key, error) {
	if len(value) > maxKey {
		return Key{}, refuse(KeyTooLong, value)
	}
	var k Key
	var number uint64
	digits := false
	for i := range len(value) {
		switch c := value[i]; {
		case c == ' ':
			k.Spaces++
		case '0' <= c && c <= '9':
			digits = true
			if number = number*10 + uint64(c-'0'); number > math.MaxUint32 {
				return Key{}, refuse(KeyOverflow, value)
			}
		}
	}
	k.Number = uint32(number)
	switch {
	case !digits:
		return Key{}, refuse(NoDigits, value)
	case k.Spaces == 0:
		return Key{}, refuse(NoSpaces, value)
	case k.Number%k.Spaces != 0:
		return Key{}, refuse(NotMultiple, value)
	}
	k.Part = k.Number / k.Spaces
	return k, nil
}

// ChallengeResponse is the challenge response: the MD5 of the two parts, big-endian,
// and key3 (-76 section 5.2, steps 9 to 11).
func ChallengeResponse(key1, key2 Key, key3 [8]byte) [16]byte {
	var challenge [16]byte
	binary.BigEndian.PutUint32(challenge[0:], key1.Part)
	binary.BigEndian.PutUint32(challenge[4:], key2.Part)
	copy(challenge[8:], key3[:])
	return md5.Sum(challenge[:])
}

// MakeKey makes a value for Sec-WebSocket-Key1 or -Key2 as a client does
// (-76 section 4.1, steps 16 to 22).
func MakeKey() string {
	spaces := 1 + below(12)
	number := below(math.MaxUint32/spaces + 1)
	value := strconv.AppendInt(nil, number*spaces, 10)
	for range 1 + below(12) {
		value = slices.Insert(value, int(below(int64(len(value)+1))), noise())
	}
	for range spaces {
		value = slices.Insert(value, int(1+below(int64(len(value)-1))), ' ')
	}
	return string(value)
}

// noise is a character from 0x21-0x2F or 0x3A-0x7E: printable, no digit, no space.
func noise() byte {
	const before, after = '0' - '!', '~' - '9'
	c := below(before + after)
	if c >= before {
		c += '9' + 1 - '0'
	}
	return byte('!' + c)
}

// below returns a number in [0, n) for an n of at most 2^32. Its bias, under
// 2^-31, is of no account for a key that keeps nothing secret.
func below(n int64) int64 {
	var b [8]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:])>>1) % n
}
