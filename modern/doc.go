// Package modern is the RFC 6455 side of a gateway: it opens connections to a
// backend and reads and writes frames as bytes.
//
// Of RFC 6455 it implements the framing (section 5) as pure functions over
// byte slices: ParseHeader and Scanner read, AppendHeader, AppendFrame and
// AppendClose write, Keys and Mask do the masking. The client's opening
// handshake (section 4.1) is gorilla/websocket's: request, TLS, Upgrade,
// Connection and Accept checks. Dial adds what a gateway needs beyond it: the
// bytes behind the head are kept, the request target stays as the client
// spelt it, a refusal comes back whole, and a subprotocol or an extension that
// was not offered is an error (section 4.1, last list, points 5 and 6).
//
// Messages, UTF-8 and the closing handshake belong to package translate.
package modern
