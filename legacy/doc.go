// Package legacy speaks the WebSocket of 2009-2011: draft-hixie-75 and
// draft-hixie-76 (the same text as draft-ietf-hybi-00), as server and as
// client.
//
// Upgrader makes connections of requests that net/http serves, Dialer opens them, and
// Conn reads and writes messages in both roles. Package legacytest helps to test with
// them. A gateway, which does not want messages but bytes, uses what these are made
// of: Detect, NewHandshake, Request, Scanner, AppendText.
//
// # The opening handshake of -76
//
//	client                                            server
//	GET /demo HTTP/1.1
//	Upgrade: WebSocket
//	Connection: Upgrade
//	Host: example.com
//	Origin: http://example.com
//	Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5
//	Sec-WebSocket-Key2: 12998 5 Y3 1  .P00
//	                                                  HTTP/1.1 101 WebSocket Protocol Handshake
//	                                                  Upgrade: WebSocket
//	                                                  Connection: Upgrade
//	                                                  Sec-WebSocket-Origin: http://example.com
//	                                                  Sec-WebSocket-Location: ws://example.com/demo
//
//	^n:ds[4U  (key3: 8 bytes no header announces)
//	                                                  8jKS'y:G*Co,Wxa-  (16 bytes)
//
// The digits of Key1, divided by the number of its spaces, make 4 bytes; Key2
// makes 4 more; key3 is 8. The MD5 of these 16 bytes is the challenge
// response. The drawing shows the order that works behind every HTTP proxy:
// the head of the answer does not wait for key3, because a proxy may hold
// key3 back until it has seen the 101. A server that waits for key3 first
// waits for ever (Willy Tarreau, hybi list, July 2010).
//
// # Frames
//
//	00 <UTF-8 text> FF             a message; text never contains FF
//	01..7F <bytes> FF              reserved, discarded
//	80..FF <length> <bytes>        reserved, discarded; length is base 128,
//	                               most significant first, 80 = more follow
//	FF 00                          closing handshake, -76 only
//
// # The two drafts
//
//	                     -75                            -76
//	keys, key3, MD5      none                           required
//	status line          101 Web Socket Protocol ...    101 WebSocket Protocol ...
//	first three lines    compared byte for byte         any order
//	header prefix        WebSocket-                     Sec-WebSocket-
//	closing handshake    TCP close                      FF 00 both ways, then TCP close
//
// The package performs no logging and starts no goroutine. Its only larger
// dependency is net/http, for the request that a server has already parsed.
package legacy
