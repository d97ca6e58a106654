// Package codec turns the bytes of one WebSocket dialect into those of another.
//
// Up makes RFC 6455 frames of the messages of a -75 or -76 client, Down makes such
// messages of the frames of an RFC 6455 backend, and Adapt corrects the frames of a
// version 7 or 8 client. Walk only looks at frames that pass as they are. Each is pure: it reads and writes only the slices that its
// caller passes to Transform, whose contract is
//
//	Transform(dst, src []byte, full bool) (nDst, nSrc int, err error)
//
// It reads nSrc bytes of src and writes nDst bytes to dst. What it leaves of src is
// an unfinished message, header or control frame: the caller passes it again with
// more bytes behind it. With full set there will not be more behind it for now, and
// a codec passes on the part of a message that it has, which ends between two
// characters, where its peer's protocol allows that. An error ends the stream, with
// two exceptions:
//
//   - io.ErrShortBuffer: dst is full. The caller empties dst and calls again with
//     the rest of src. dst has room for len(src) + MinRoom bytes.
//   - a Ping: the caller sends the Pong, empties dst and calls again with the rest of
//     src.
//
// What is left of src always fits dst behind what was given, although messages may grow:
// a caller that must wait with both needs no more than dst.
//
// dst and src must not overlap.
package codec

import (
	"errors"
	"sync/atomic"
)

// MinRoom is the room that dst has at least, besides len(src): the largest control
// frame that src may hold fits it.
const MinRoom = 256

// Ends of a stream, besides *legacy.FrameError, *modern.ProtocolError and
// *CloseError.
var (
	ErrClose       = errors.New("codec: FF 00, the closing handshake of -76")
	ErrInvalidUTF8 = errors.New("a text message is not UTF-8")
	ErrBinary      = errors.New("a binary message came, which -75 and -76 cannot carry")
)

// A Summary counts what the peers of a connection did not get as it was sent, and
// holds what both of its codecs have found out.
type Summary struct {
	Skipped  int64 // frames of reserved types, which Up drops
	Repaired int64 // messages, or fragments of one, into which Up put U+FFFD
	Dropped  int64 // binary messages, which Down drops with BinaryDrop

	Answered atomic.Bool // an RFC 6455 peer has sent a Pong

	closed atomic.Uint32 // who has sent a Close frame first; 0 = nobody
}

// Who has sent a Close frame first.
const (
	closedByClient = iota + 1
	closedByServer
)

// closes notes a Close frame of a server, or of a client.
func (s *Summary) closes(server bool) {
	if server {
		s.closed.CompareAndSwap(0, closedByServer)
	} else {
		s.closed.CompareAndSwap(0, closedByClient)
	}
}

// FirstClose reports whether Walk or Adapt has seen a Close frame, and whether the first
// one was the server's.
func (s *Summary) FirstClose() (seen, server bool) {
	by := s.closed.Load()
	return by != 0, by == closedByServer
}
