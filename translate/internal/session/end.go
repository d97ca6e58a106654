package session

import (
	"errors"
	"fmt"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
	"github.com/ws76/ws76/translate/internal/admission"
	"github.com/ws76/ws76/translate/internal/codec"
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
	Reason string // one of this package, of legacy.FrameError or of modern.ProtocolError
	Err    error  // what was read or happened, if the reason does not say it all

	half  Side   // who ended TCP first, in a tunnel: what the other still sends is for it
	gone  bool   // By has ended TCP, or its connection broke: there is nobody to say goodbye to
	code  uint16 // of the Close frame to the side of RFC 6455; 0 = none
	clean bool   // the side of -76 gets FF 00, if it is between messages
}

// endings is what each end says to the other side, and to its own.
//
// A side of -76 learns no code: it has FF 00 for an orderly end, and the bare end
// of TCP for any other. A page sees the difference as wasClean.
var endings = map[string]struct {
	code  uint16
	clean bool
}{
	ClientClosed:           {modern.NormalClosure, true},
	ClientGone:             {modern.GoingAway, false},
	ClientCut:              {modern.GoingAway, false},
	ClientSlow:             {modern.GoingAway, false},
	ClientSilent:           {modern.GoingAway, false},
	BackendClosed:          {modern.NormalClosure, true},
	BackendGone:            {modern.GoingAway, false},
	BackendSlow:            {modern.GoingAway, false},
	BackendSilent:          {modern.GoingAway, false},
	InvalidUTF8:            {modern.InvalidPayload, false},
	InvalidBase64:          {modern.InvalidPayload, false},
	BinaryMessage:          {modern.UnsupportedData, true},
	Idle:                   {modern.GoingAway, true},
	admission.ShuttingDown: {modern.GoingAway, true},
	legacy.MessageTooBig:   {modern.TooBig, true},
	legacy.SkipTooBig:      {modern.ProtocolFailure, false},
	legacy.LengthOverflow:  {modern.ProtocolFailure, false},
}

// endFor is the end by a side for a reason of the table.
func endFor(by Side, r string, err error) End {
	e := endings[r]
	return End{By: by, Reason: r, Err: err, code: e.code, clean: e.clean}
}

// endByError is the end that the codec for what a side sends found. A broken rule of
// RFC 6455 says its code itself, and a Close frame is answered with its own.
func endByError(by Side, err error) End {
	if frame, ok := errors.AsType[*legacy.FrameError](err); ok {
		return endFor(by, frame.Reason(), err)
	}
	if closed, ok := errors.AsType[*codec.CloseError](err); ok {
		return End{By: by, Reason: closedBy[by], Err: fmt.Errorf("the %s %w", by, closed), code: closed.Code, clean: true}
	}
	if protocol, ok := errors.AsType[*modern.ProtocolError](err); ok {
		return End{By: by, Reason: protocol.Reason(), Err: err, code: protocol.Code, clean: protocol.Code == modern.TooBig}
	}
	switch {
	case errors.Is(err, codec.ErrClose):
		return endFor(by, closedBy[by], nil)
	case errors.Is(err, codec.ErrBinary):
		return endFor(by, BinaryMessage, nil)
	case errors.Is(err, codec.ErrBase64):
		return endFor(by, InvalidBase64, nil)
	}
	return endFor(by, InvalidUTF8, nil)
}

// closedBy are the reasons of closing handshakes.
var closedBy = map[Side]string{ByClient: ClientClosed, ByBackend: BackendClosed}

// endedBy are the reasons of tunnels that end without a Close frame.
var endedBy = map[Side]string{ByClient: ClientEnded, ByBackend: BackendEnded}

// slowBy are the reasons of ends by a side that takes nothing.
var slowBy = map[Side]string{ByClient: ClientSlow, ByBackend: BackendSlow}

// silentBy are the reasons of ends by a side that does not answer a Ping.
var silentBy = map[Side]string{ByClient: ClientSilent, ByBackend: BackendSilent}
