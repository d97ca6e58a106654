// Package translate is the gateway: it answers the opening handshakes of -75
// and -76 clients on behalf of an RFC 6455 backend and carries their messages.
//
//	client                            ws76                              backend
//	-76 / -75 ──► legacy.Handshake ──► ┌────────┐ ◄── modern.Dialer ──► RFC 6455
//	                                   │ bridge │
//	        00 text FF  ► ► ► ► ► ► ►  │   up   │  ► ► ►  masked frames
//	        00 text FF  ◄ ◄ ◄ ◄ ◄ ◄ ◄  │  down  │  ◄ ◄ ◄  frames
//	                                   └────────┘
//
// The backend answers first: until its 101 the client sees only HTTP, after
// it the client gets the 101 of its own dialect.
//
// A bridge is two pumps, one for each direction. A pump waits until its source
// is readable without holding a buffer, takes one from a pool, reads what there
// is, hands it to a transducer, writes the result once, gives the buffer back.
// The transducers (up.go, down.go, text.go) are pure: bytes in, bytes out, cut
// anywhere, a few dozen bytes of state.
//
// What holds, each with a test:
//
//  1. No 101 unless the backend said 101, and no byte of the client's beyond
//     the head reaches the backend before the client's handshake is complete.
//  2. The head of a -76 answer never waits for key3; no frame reaches the
//     backend before the challenge response is out.
//  3. key3 is never parsed as a request; a refused handshake is answered as
//     HTTP, half-closed, drained, closed.
//  4. No 0xFF, no frame of a reserved type and no ill-formed UTF-8 goes inside
//     a message to a legacy client; every frame to the backend is masked with
//     an unpredictable key.
//  5. Memory per connection is bounded whatever a peer sends; no length field
//     is trusted; a limit is enforced at the first byte past it.
//  6. Messages keep their order and arrive whole or not at all; one that
//     cannot be finished is never passed off as complete.
//  7. An end on one side always ends the other, in its own words, within a
//     bounded time; what was accepted before is delivered before.
//  8. Every refusal and every end has a Reason: the same word in the log, the
//     metrics and the body of the refusal.
//  9. Shutdown closes every connection in its dialect within its context.
package translate
