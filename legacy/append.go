package legacy

// AppendText appends a message: 00, the text, FF. The text must be valid
// UTF-8; then it holds no 0xFF. It adds len(text) + 2 bytes.
func AppendText(dst, text []byte) []byte {
	dst = append(dst, textFrame)
	dst = append(dst, text...)
	return append(dst, frameEnd)
}

// AppendClose appends the closing handshake of -76. Nothing may follow it, and
// both bytes must go out in one write: a WebKit of 2011 takes a lone FF for
// the end. A -75 connection is closed by closing TCP instead.
func AppendClose(dst []byte) []byte { return append(dst, 0xff, 0x00) }
