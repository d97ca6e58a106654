package connect

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/legacy"
)

// A message is what came in one piece.
type message struct {
	payload string
	binary  bool
}

// An ending is how the messages of a server ended.
type ending struct {
	how   string
	clean bool // in the way of the dialect, and not because of an error
}

// A talk is an open connection of any dialect.
type talk interface {
	send(text string) error
	receive() (message, *ending)
	goodbye() error // begins the closing handshake, or answers it
}

type legacyTalk struct {
	*legacy.Conn
	w *wire
}

func (t legacyTalk) send(text string) error { return t.WriteText(text) }

func (t legacyTalk) receive() (message, *ending) {
	text, err := t.ReadText()
	is76 := t.Dialect() == legacy.Hixie76
	switch {
	case err == nil:
		return message{payload: text}, nil
	case err == io.EOF:
		return message{}, &ending{"FF 00", true}
	case err == io.ErrUnexpectedEOF && is76:
		return message{}, &ending{"the end of TCP without FF 00", false}
	case err == io.ErrUnexpectedEOF:
		return message{}, &ending{"the end of TCP", true}
	}
	return message{}, &ending{reach.Ending(err), false}
}

// goodbye is the end of TCP for -75.
func (t legacyTalk) goodbye() error {
	half, ok := t.w.Conn.(interface{ CloseWrite() error })
	if ok && t.Dialect() == legacy.Hixie75 {
		return half.CloseWrite()
	}
	return t.WriteClose()
}

type modernTalk struct{ *websocket.Conn }

func (t modernTalk) send(text string) error {
	return t.WriteMessage(websocket.TextMessage, []byte(text))
}

func (t modernTalk) receive() (message, *ending) {
	kind, payload, err := t.ReadMessage()
	end := new(websocket.CloseError)
	switch {
	case err == nil:
		return message{string(payload), kind == websocket.BinaryMessage}, nil
	case !errors.As(err, &end):
		return message{}, &ending{reach.Ending(err), false}
	case end.Code == websocket.CloseAbnormalClosure:
		return message{}, &ending{"the end of TCP without a Close frame", false}
	}
	how := "Close"
	if end.Code != websocket.CloseNoStatusReceived {
		how = strings.TrimSuffix(fmt.Sprintf("Close %d %q", end.Code, end.Text), ` ""`)
	}
	return message{}, &ending{how, websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived)}
}

func (t modernTalk) goodbye() error {
	err := t.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(closeTimeout))
	if errors.Is(err, websocket.ErrCloseSent) {
		return nil // it was the answer
	}
	return err
}
