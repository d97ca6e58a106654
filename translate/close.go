package translate

import (
	"errors"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A Side is where an end came from.
type Side string

// The sides of a connection.
const (
	ByClient  Side = "client"
	ByBackend Side = "backend"
	ByGateway Side = "gateway"
)

// An End is how a connection ended.
type End struct {
	By     Side
	Reason Reason
	Err    error // what was read or happened, if the reason does not say it all

	gone  bool   // the client has ended TCP: there is nobody to say goodbye to
	code  uint16 // of the Close frame to the backend; 0 = none
	clean bool   // the client gets FF 00, if it is one of -76 and between messages
}

// endings is what each end says to the other side, and to its own.
//
// The client learns no code: it has FF 00 for an orderly end, and the bare end
// of TCP for any other. A page sees the difference as wasClean.
var endings = map[Reason]struct {
	code  uint16
	clean bool
}{
	ClientClosed:                  {modern.NormalClosure, true},
	ClientGone:                    {modern.GoingAway, false},
	ClientCut:                     {modern.GoingAway, false},
	ClientSlow:                    {modern.GoingAway, false},
	BackendGone:                   {0, false},
	BackendSlow:                   {modern.GoingAway, false},
	BackendSilent:                 {modern.GoingAway, false},
	InvalidUTF8:                   {modern.InvalidPayload, false},
	BinaryMessage:                 {modern.UnsupportedData, true},
	Idle:                          {modern.GoingAway, true},
	ShuttingDown:                  {modern.GoingAway, true},
	Reason(legacy.MessageTooBig):  {modern.TooBig, true},
	Reason(legacy.SkipTooBig):     {modern.ProtocolFailure, false},
	Reason(legacy.LengthOverflow): {modern.ProtocolFailure, false},
	Reason(legacy.Key3Timeout):    {modern.GoingAway, false},
	Reason(legacy.Key3Missing):    {modern.GoingAway, false},
	ClientLeft:                    {modern.GoingAway, false},
}

// endFor is the end by a side for a reason of the table.
func endFor(by Side, r Reason, err error) End {
	e := endings[r]
	return End{By: by, Reason: r, Err: err, code: e.code, clean: e.clean}
}

// clientEnd is the end by a client that has closed TCP, or whose connection broke.
func clientEnd(r Reason, err error) End {
	e := endFor(ByClient, r, err)
	e.gone = true
	return e
}

// endByError is the end that a transducer found. A broken rule of RFC 6455 says
// its code itself, and a Close frame is answered with its own.
func endByError(err error) End {
	var frame *legacy.FrameError
	var protocol *modern.ProtocolError
	var closed *closeError
	switch {
	case errors.Is(err, errClientClose):
		return endFor(ByClient, ClientClosed, nil)
	case errors.As(err, &frame):
		return endFor(ByClient, Reason(frame.Reason), err)
	case errors.As(err, &closed):
		return End{By: ByBackend, Reason: BackendClosed, Err: err, code: closed.code, clean: true}
	case errors.As(err, &protocol):
		return End{By: ByBackend, Reason: Reason(protocol.Reason), Err: err, code: protocol.Code, clean: protocol.Code == modern.TooBig}
	case errors.Is(err, errBinary):
		return endFor(ByBackend, BinaryMessage, nil)
	}
	return endFor(ByBackend, InvalidUTF8, nil)
}
