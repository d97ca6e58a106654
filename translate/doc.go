// Package translate is the gateway: it answers the opening handshakes of -75
// and -76 clients on behalf of an RFC 6455 backend and carries their messages.
//
//	client                            ws76                              backend
//	-76 / -75 ──► legacy.Handshake ──► ┌────────┐ ◄── modern.Dialer ──► RFC 6455
//	                                   │  Pair  │
//	        00 text FF  ► ► ► ► ► ► ►  │   up   │  ► ► ►  masked frames
//	        00 text FF  ◄ ◄ ◄ ◄ ◄ ◄ ◄  │  down  │  ◄ ◄ ◄  frames
//	                                   └────────┘
//
// The backend answers first: until its 101 the client sees only HTTP, after
// it the client gets the 101 of its own dialect.
//
// A relay.Pair (internal/relay) carries the bytes, in two flows. A flow waits until
// its source is readable without holding a buffer, takes one from a pool, reads what
// there is, hands it to a codec, writes the result once, gives the buffer back. The
// session (internal/session) decides what happens when: it is pure, and has one table for
// all ends. The codecs (internal/codec) are pure: bytes in, bytes out, cut anywhere, a
// few dozen bytes of state.
//
// The rooms, none of which knows the Gateway:
//
//	checks      what is wrong with a request, before anybody is asked
//	admission   who may come in, and when all have left
//	opening     opening handshakes: what the backend is asked, what the client is answered
//	refusal     what a client gets that is refused, and why
//	response    responses that end an opening handshake, ws76's own and the backend's, as HTTP
//	plain       plain HTTP, one backend connection for one client's
//	forward     what the backend is told about a client: forwarding fields, Host
//	rawhead     request heads as they were received, which net/http does not keep
//	codec       messages of one dialect to those of another
//	session     what happens when, and how a connection ends
//	relay       two sockets and what flows between them
//	sockets     ports and options, a write timeout that measures progress, what the kernel holds
//	diagnosis   proxies that damage handshakes; package proxies has what is known of them
//	census      who came, and what they carried
//	redact      what the log must not have of a head
//
// Read next: gateway.go, where each request takes one of three ways; handshake.go, an
// opening handshake from top to bottom; internal/session, what happens when and how it ends;
// registry.go, Shutdown.
//
// What holds, each with a test:
//
//  1. No 101 unless the backend said 101, and no byte of the client's beyond
//     the head reaches the backend before the client's handshake is complete.
//  2. The head of a -76 answer never waits for key3; no frame reaches the
//     backend before the challenge response is out.
//  3. key3 is never parsed as a request; a refused handshake is answered as
//     HTTP, and its connection half-closed, drained and closed, or kept where the
//     handshake was legal HTTP and nothing has come behind it.
//  4. No 0xFF, no frame of a reserved type and no ill-formed UTF-8 goes inside
//     a message to a legacy client; every frame to the backend is masked with
//     an unpredictable key.
//  5. Memory per connection is bounded whatever a peer sends; no length field
//     is trusted; a limit is enforced at the first byte past it.
//  6. Messages keep their order and arrive whole or not at all; one that
//     cannot be finished is never passed off as complete.
//  7. An end on one side always ends the other, in its own words, within a
//     bounded time; what was accepted before is delivered before, to readers of
//     8 KiB/s too.
//  8. Every refusal and every end has a Reason: the same word in the log, the
//     metrics and the body of the refusal.
//  9. Shutdown closes every connection in its dialect within its context.
//  10. Two clients never share a backend connection.
package translate
