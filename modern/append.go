package modern

import "encoding/binary"

// AppendHeader appends the header of a frame as a client sends it: the length
// in its shortest form, the mask bit, the key (RFC 6455 section 5.2). It adds
// at most MaxHeader bytes.
func AppendHeader(dst []byte, fin bool, op Opcode, length uint64, key Key) []byte {
	b0 := byte(op)
	if fin {
		b0 |= finBit
	}
	switch {
	case length < 126:
		dst = append(dst, b0, maskBit|byte(length))
	case length < 1<<16:
		dst = append(dst, b0, maskBit|126, byte(length>>8), byte(length))
	default:
		dst = append(dst, b0, maskBit|127)
		dst = binary.BigEndian.AppendUint64(dst, length)
	}
	return append(dst, key[:]...)
}

// AppendServerHeader appends the header of a frame as a server sends it, without a
// mask. It adds at most MaxHeader - 4 bytes.
func AppendServerHeader(dst []byte, fin bool, op Opcode, length uint64) []byte {
	at := len(dst)
	dst = AppendHeader(dst, fin, op, length, Key{})
	dst[at+1] &^= maskBit
	return dst[:len(dst)-len(Key{})]
}

// AppendServerFrame appends a frame without a mask.
func AppendServerFrame(dst []byte, fin bool, op Opcode, payload []byte) []byte {
	return append(AppendServerHeader(dst, fin, op, uint64(len(payload))), payload...)
}

// AppendFrame appends a masked frame.
func AppendFrame(dst []byte, fin bool, op Opcode, payload []byte, key Key) []byte {
	dst = AppendHeader(dst, fin, op, uint64(len(payload)), key)
	at := len(dst)
	dst = append(dst, payload...)
	Mask(dst[at:], dst[at:], key)
	return dst
}

// AppendClose appends a masked Close frame with a code, or with an empty
// payload for NoStatus.
func AppendClose(dst []byte, code uint16, key Key) []byte {
	return AppendFrame(dst, true, Close, ClosePayload(code), key)
}

// ClosePayload returns the payload of a Close frame with a code: none for NoStatus (RFC
// 6455 section 5.5.1).
func ClosePayload(code uint16) []byte {
	if code == NoStatus {
		return nil
	}
	return binary.BigEndian.AppendUint16(nil, code)
}
