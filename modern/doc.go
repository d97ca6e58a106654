// Package modern is the RFC 6455 side of a gateway: it opens connections to a
// backend and reads and writes frames as bytes.
//
// Of RFC 6455 it implements the framing (section 5) as pure functions over
// byte slices: ParseHeader and Scanner read, AppendHeader, AppendFrame and
// AppendClose write, KeySource and Mask do the masking. Of the client's opening
// handshake (section 4.1) net/http reads the answer. Dial and Forward keep the bytes
// behind the head, send the request target as the client spelt it, return a refusal
// whole, and take a subprotocol or an extension that was not offered for an error
// (section 4.1, last list, points 5 and 6).
//
// Messages, UTF-8 and the closing handshake belong to package translate.
package modern
