package probe

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

const (
	// messageWait is how long what comes back on a message is listened for.
	messageWait = 2 * time.Second
	// maxMessages is how much of it is shown, if none is the message itself.
	maxMessages = 3
	// maxPayload is how much of a message is read.
	maxPayload = 64 << 10
)

// A talk is a connection whose handshake is complete.
type talk struct {
	send    func(text string) error
	receive func() (kind, text string, err error) // kind is a word to put before the text
}

// legacyTalk sends and receives as -75 and -76 do.
func legacyTalk(w *wire, d legacy.Dialect) talk {
	c := legacy.NewConn(w.Conn, w.br, d)
	return talk{c.WriteText, func() (kind, text string, err error) {
		text, err = c.ReadText()
		return "", text, err
	}}
}

// modernTalk sends and receives frames.
func modernTalk(w *wire) talk {
	return talk{
		func(text string) error {
			_, err := w.Write(modern.AppendFrame(nil, true, modern.Text, []byte(text), modern.NewKey()))
			return err
		},
		func() (kind, text string, err error) {
			for {
				opcode, payload, err := w.frame()
				switch {
				case err != nil:
					return "", "", err
				case opcode == modern.Close:
					code, reason := modern.ParseClose(payload)
					return "", "", closeFrame(strings.TrimSpace(fmt.Sprintf("Close %d %s", code, reason)))
				case opcode == modern.Binary:
					return "Binary ", string(payload), nil
				case !opcode.Control():
					return "", string(payload), nil
				}
			}
		},
	}
}

// A closeFrame is the end that a Close frame makes, in words.
type closeFrame string

func (e closeFrame) Error() string { return string(e) }

// frame reads a frame.
func (w *wire) frame() (modern.Opcode, []byte, error) {
	for n := 2; ; n++ {
		head, err := w.br.Peek(n)
		if err != nil {
			return 0, nil, err
		}
		h, ok := modern.ParseHeader(head)
		if !ok {
			continue
		}
		if h.Length > maxPayload {
			return 0, nil, fmt.Errorf("a frame of %d bytes", h.Length)
		}
		w.br.Discard(h.Size)
		payload := make([]byte, h.Length)
		_, err = io.ReadFull(w.br, payload)
		return h.Opcode, payload, err
	}
}

// exchange sends the message, if there is one to send, and puts what came back into the
// result of a handshake that works.
func (p *Prober) exchange(w *wire, t talk, result *Result) {
	if p.Message == "" || result.Outcome != Works {
		return
	}
	if until := time.Now().Add(messageWait); until.Before(w.deadline) {
		w.SetReadDeadline(until)
	}
	err := t.send(p.Message)
	var came []string
	for err == nil && len(came) < maxMessages {
		var kind, text string
		if kind, text, err = t.receive(); err == nil {
			came = append(came, fmt.Sprintf("%s%.80q", kind, text))
		}
		if text == p.Message {
			break
		}
	}
	told := "nothing came back"
	if len(came) > 0 {
		told = strings.Join(came, ", ") + " came back"
	}
	if err != nil && !reach.IsTimeout(err) {
		result.Outcome = Ended
		told += ", then " + goodbyeOf(err)
	}
	result.Detail = told
}

func goodbyeOf(err error) string {
	if end := closeFrame(""); errors.As(err, &end) {
		return string(end)
	}
	return reach.Ending(err)
}
