package modern_test

import (
	"fmt"

	"github.com/ws76/ws76/modern"
)

// The examples of RFC 6455 section 5.7 that a server may send, in reads that
// cut them anywhere: a message, one in two fragments with a Ping between them,
// and the end.
func ExampleScanner() {
	s := modern.Scanner{MaxMessage: 1 << 20}
	var buf, message []byte
	for _, read := range []string{"\x81\x05Hel", "lo\x01\x03Hel\x89", "\x05Hello\x80\x02l", "o\x88\x02\x03\xe8"} {
		buf = append(buf, read...)
		for {
			tok, n, err := s.Scan(buf)
			if err != nil {
				fmt.Println(err)
				return
			}
			buf = buf[n:]
			if tok.Kind == modern.More {
				break // what is left is scanned again with more behind it
			}
			switch {
			case tok.Opcode == modern.Ping:
				fmt.Printf("ping %q\n", tok.Data)
			case tok.Opcode == modern.Close:
				code, reason := modern.ParseClose(tok.Data)
				fmt.Printf("close %d %q\n", code, reason)
			case tok.Kind == modern.Message:
				message = append(message, tok.Data...)
				if tok.Last {
					fmt.Printf("text %q\n", message)
					message = message[:0]
				}
			}
		}
	}
	// Output:
	// text "Hello"
	// ping "Hello"
	// text "Hello"
	// close 1000 ""
}

// A server reads what a client has masked, and is told what is not.
func ExampleScanner_server() {
	s := modern.Scanner{Server: true}
	tok, _, _ := s.Scan([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"))
	fmt.Printf("%s\n", tok.Data)

	_, _, err := s.Scan([]byte("\x81\x05Hello"))
	fmt.Println(err)
	// Output:
	// Hello
	// frame at offset 11: a client's frame is not masked, or a server's is (RFC 6455 section 5.1) (mask)
}

// The masked example of RFC 6455 section 5.7. A key is used once; those of Keys
// or NewKey cannot be guessed.
func ExampleAppendFrame() {
	key := modern.Key{0x37, 0xfa, 0x21, 0x3d}
	fmt.Printf("% x\n", modern.AppendFrame(nil, true, modern.Text, []byte("Hello"), key))
	// Output:
	// 81 85 37 fa 21 3d 7f 9f 4d 51 58
}

func ExampleAppendClose() {
	key := modern.Key{0x37, 0xfa, 0x21, 0x3d}
	fmt.Printf("% x\n", modern.AppendClose(nil, modern.GoingAway, key))
	fmt.Printf("% x\n", modern.AppendClose(nil, modern.NoStatus, key))
	// Output:
	// 88 82 37 fa 21 3d 34 13
	// 88 80 37 fa 21 3d
}

// The example of RFC 6455 section 1.3.
func ExampleAcceptKey() {
	fmt.Println(modern.AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="))
	// Output:
	// s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
}
