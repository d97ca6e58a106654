package relay

import "time"

// A Side is one of the two that a Pair joins.
type Side uint8

// The sides.
const (
	Client Side = iota
	Backend
)

func (s Side) other() Side { return 1 - s }

// A Codec turns the bytes of one side into those for the other.
type Codec interface {
	// Transform takes from src and gives to dst. What it leaves of src is not
	// finished: it wants to see it again with more behind it, or with full set
	// when no more will come soon. With io.ErrShortBuffer it wants dst emptied
	// first. Any other error is for the Protocol. A dst that src fits, with 256 bytes
	// to spare, has room for what is left of src behind what was given.
	Transform(dst, src []byte, full bool) (nDst, nSrc int, err error)
	// AtBoundary reports whether what was taken ends between two messages.
	AtBoundary() bool
	// MidMessage reports whether what was given ends inside a message that
	// nothing may interrupt, not even the last words.
	MidMessage() bool
	// Counts is what has been given so far.
	Counts() (messages, bytes int64)
}

// A Meter counts messages in bytes that pass as they are.
type Meter interface {
	// Pass is shown the bytes before they are given. It must change nothing and keep
	// nothing.
	Pass(b []byte)
	Messages() int64
}

// A Protocol decides what happens when. Handle and Closed are called by one
// goroutine at a time, Answer by any. None may wait.
type Protocol interface {
	// Codecs are asked for once; nil means that the bytes pass as they are.
	Codecs() (up, down Codec)
	// Meters are asked for once, for bytes that pass as they are; nil means that
	// nobody counts.
	Meters() (up, down Meter)
	// Tap is asked for once: it is called with all bytes read from a side or written
	// to it; nil means that nobody wants to see them.
	Tap() func(side Side, written bool, data []byte)
	// Answer returns what goes back to the side whose codec returned err, and
	// whether the codec goes on: whether err was a question and not the end.
	Answer(err error) (frame []byte, goesOn bool)
	Handle(Event) Action
	// Closed is called once, when both sockets are closed.
	Closed(p *Pair)
}

// A Kind says what an Event is.
type Kind uint8

// The kinds of an Event. Those behind Shutdown have a Side.
const (
	Started  Kind = iota // the Pair begins to carry
	Tick                 // Action.Next has come
	Shutdown             // Pair.Shutdown was called

	CodecDone    // the codec for what Side sends returned Err, its last word
	ReadEnded    // Side ended TCP, or with Err the connection broke
	WriteTimeout // Side took nothing for the write timeout
)

// An Event is what happened.
type Event struct {
	Kind Kind
	Side Side
	Err  error
	Cut  bool // of ReadEnded: inside a message, or inside anything else
	Now  time.Time

	// Of Tick.
	Carried int64    // grows with every message, and with every part of one
	Sent    int64    // grows with what is sent to the client
	Heard   [2]int64 // grows whenever a side sends anything
	Busy    [2]bool  // a side takes no more for now
}

// An Action is what a Pair is to do.
type Action struct {
	// ToClient and ToBackend are the last words to a side; nil means none for now.
	// What still comes for that side is dropped from then on.
	ToClient, ToBackend *Say
	// AfterInput has the last words wait for what has been received already.
	AfterInput bool
	// End begins the end of the Pair: from now on time is limited. It does so
	// once.
	End bool
	// Heard says that the side of the event has said its own last words, so that
	// nothing is expected of it but the end of TCP.
	Heard bool
	// Pings are frames for a side.
	Pings [2][]byte
	// Message is a whole message for the client, left out where it would go inside
	// another one.
	Message []byte
	// Next is when a Tick is due; zero means never.
	Next time.Time
}

// A Say is the last words to a side: bytes, which are left out where they would go
// inside a message, and with Fin the end of the gateway's half of TCP.
type Say struct {
	Bytes []byte
	Fin   bool
}
