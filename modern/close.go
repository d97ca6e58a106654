package modern

import "encoding/binary"

// Close codes (RFC 6455 section 7.4.1 and its IANA registry).
const (
	NormalClosure   uint16 = 1000
	GoingAway       uint16 = 1001
	ProtocolFailure uint16 = 1002
	UnsupportedData uint16 = 1003
	NoStatus        uint16 = 1005 // never on the wire: a Close frame without code
	InvalidPayload  uint16 = 1007
	TooBig          uint16 = 1009
)

// ParseClose splits the payload of a Close frame, which a Scanner has checked;
// an empty one is NoStatus.
func ParseClose(payload []byte) (code uint16, reason string) {
	if len(payload) < 2 {
		return NoStatus, ""
	}
	return binary.BigEndian.Uint16(payload), string(payload[2:])
}

// Sendable reports whether a code may stand in a Close frame: 1000 to 1014
// without 1004, 1005 and 1006, and everything from 3000 to 4999.
func Sendable(code uint16) bool {
	switch {
	case code >= 3000:
		return code <= 4999
	case code < 1000 || code > 1014:
		return false
	}
	return code != 1004 && code != 1005 && code != 1006
}
