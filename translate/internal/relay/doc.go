// Package relay carries bytes between two sockets. It knows no protocol and no
// HTTP: it imports the standard library, and package sockets for what net has not.
//
// # A Pair on one page
//
//	         ┌──────────── Pair ────────────┐
//	client ──► flow: read ► Codec ► write ──► backend
//	client ◄── write ◄ Codec ◄ read :flow ◄── backend
//	         └──── Protocol decides ends ───┘
//
// Who runs. Each flow has one owner at a time, which reads, transforms and writes without a
// lock. While it waits for its source it holds no buffer, and is parked at the Poller: a loop
// for each processor, which gives each flow that has something a turn of one read. The two
// flows of a Pair have the same loop. A flow that waits for anything else, the other side or
// more of a large message, or that is over, gets a goroutine, which waits in Go's poller; when
// it has not done so for a second or two, it is parked at the Poller again. A new flow begins
// with a goroutine, too, unless many have one, for 16 reads or a second or two: most short
// connections are never polled. TLS, other systems, and a socket that the system has no room to
// poll, have a goroutine for each flow, always. Three others call in: the timer of the Pair,
// Shutdown and Cut.
//
// What Go's poller knows. It wakes a goroutine that waits for a socket, and the loops. Where both
// flows of a Pair are parked its sockets are detached: they have left Go's poller, which
// with what package net holds takes 1.6 KiB for the two, and an event more for each message.
// They are attached again before a flow has a goroutine, and when the Pair ends. A loop that has
// more to do waits for its own signal first, because Go asks its poller only when
// nobody can run.
//
// What is locked. Pair.mu guards ends, deadlines and who may say what. socket.mu
// guards the right to write to one side; Pair.mu may be held when it is taken, never
// the other way round. Nobody waits while holding either.
//
// Who writes. A write that a socket takes at once is made under socket.mu. One that
// does not fit makes the socket stalled: one goroutine finishes it, the flow's own or
// one that is started for a control frame, and everything else waits behind it. The
// flow that feeds a stalled socket does not read (back-pressure); of control frames
// the newest waits, and the last words.
//
// Who is woken. A flow that the Poller has is taken from it; one that waits in a goroutine
// is woken by a read deadline in the past. Both look at their orders then. No other read
// deadline is set but for a large unfinished message, which leaves as a fragment after a
// second without bytes, and for the gateway's own end.
//
// What a flood costs others. A flow that never waits yields after 512 KiB, each message
// counted as 1 KiB more: after 64 KiB of messages of 100 bytes, and after 16 KiB of those
// shorter than 32 bytes. It does so if as many flows as there are processors (GOMAXPROCS)
// carry so much: otherwise others have a processor, and to yield would wake one that idles.
// A loop lets others run after as much, each event counted as 16 KiB more: it waits until Go's
// poller tells it to go on, or yields where such flows keep every processor.
//
// Ends that hide. A read that does not fill its buffer has taken everything, but for the
// end of TCP that came with it and for what is behind urgent data. The Poller's sets are
// level-triggered: they tell of both, and of what came after the events for which a flow reads.
// A goroutine reads until it finds nothing, because Go's poller tells once.
//
// # The end
//
// The Protocol begins it, once, and says the last words to each side, at the gateway's
// own end behind what has been received. From then on what comes is read and dropped,
// because a reset must not take back what is on its way, and looked at for the side's
// own last words. A side is done when it has acknowledged all that was sent to it, the
// last words are out, and it has ended TCP. It has
//
//   - Config.Write without any progress to take what was sent (then the Protocol hears
//     of a WriteTimeout);
//   - Config.Close from then on to say its last words and end TCP, and once they are
//     said a second;
//   - and at most Config.Close plus a second for each KiB that was on its way when the
//     end began, which nothing prolongs. Cut ends everything at once.
//
// TCP's own limit, of 90 s or more, finds a side that is gone without a word. One that is
// there, but takes nothing of what the kernel holds for it, ends by that limit with a
// WriteTimeout too.
//
// What a socket has not delivered is asked for at intervals of 20 to 500 ms
// (SIOCOUTQ), of ending Pairs only. After a reset the queue keeps its value for ever, so
// TCP's state counts first. Whoever finds both sides done has the sockets
// closed and Protocol.Closed called, by the last flow or by a goroutine of its own.
//
// # What a connection costs
//
// An idle flow has no goroutine and no buffer; with TLS it has both, a buffer of 4 KiB. An
// unfinished message up to 4 KiB is held in a buffer of its own size, a larger one in one of
// 64 KiB for a second. A stalled flow holds 72 KiB, whatever its source sends: what the other
// side has not taken, and behind it what is left of the read.
// The kernel holds for a socket at most what net.ipv4.tcp_rmem and tcp_wmem allow; with
// the bound that package sockets sets, 128 KiB that are not even on their way. It does not hold
// for a side that is quick: eight times in a row it took what did not fit within a millisecond,
// which only one on the same machine or network does. When a write has waited for a second it
// holds again, at the latest an eighth of the write timeout later.
//
// The listener hands all options to the client's socket. The backend's has that bound when it
// connects, and gets its keep-alive from the Pair, within its first second: a connection that is
// over by then needs none.
//
// # Besides
//
// A sockets.Conn has the write timeout that measures progress, for TLS and net/http too. The
// Poller notices who has left while nobody reads from the socket.
package relay
