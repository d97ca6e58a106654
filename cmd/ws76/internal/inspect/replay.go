package inspect

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// replayTimeout is how long a backend may take for all that is expected of it before the
// next message.
const replayTimeout = 10 * time.Second

// maxLine bounds a line of an export: four heads of at most 1 MiB, or maxWire bytes of each
// side in hex.
const maxLine = 64 << 20

// A vector is one connection of an export, as the backend of the replay took it.
type vector struct {
	ID      int64    `json:"connection"`
	Dialect string   `json:"dialect"`
	Path    string   `json:"path"`
	Steps   []step   `json:"steps"`
	Same    bool     `json:"same"`    // everything was got as it was recorded
	Skipped []string `json:"skipped"` // what could not be replayed, and why
}

// A step is a message. Of one from the backend, Got is what came in its place; null if
// nothing did.
type step struct {
	From string  `json:"from"` // client or backend
	Kind kind    `json:"kind"` // text or binary
	Hex  octets  `json:"hex"`  // payload
	Got  *octets `json:"got,omitempty"`
}

// Replay reads an export and plays what its clients said to the backend, a message from the
// client when as many have come from the backend as when it was recorded. It prints a vector
// for each connection, and returns an error if one differs from what was recorded.
func Replay(ctx context.Context, export io.Reader, backend modern.Dialer, prefix string, stdout io.Writer) error {
	recordings, err := readExport(export)
	if err != nil {
		return err
	}
	differ := 0
	out := json.NewEncoder(stdout)
	out.SetIndent("", " ")
	for _, r := range recordings {
		v, err := r.play(ctx, backend, prefix)
		if err != nil {
			return fmt.Errorf("connection %d: %w", r.ID, err)
		}
		if !v.Same {
			differ++
		}
		if err := out.Encode(v); err != nil {
			return err
		}
	}
	if differ > 0 {
		return fmt.Errorf("%d of %d connections went otherwise than recorded", differ, len(recordings))
	}
	return nil
}

// A recording is a connection of an export.
type recording struct {
	exported
	rows []row
}

func readExport(r io.Reader) (list []*recording, err error) {
	byID := map[int64]*recording{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var first struct{ Handshake *json.RawMessage }
		c, m := new(recording), exportedRow{}
		err := json.Unmarshal(line, &first)
		if first.Handshake != nil {
			err = json.Unmarshal(line, c)
		} else if err == nil {
			err = json.Unmarshal(line, &m)
		}
		known := byID[m.ID]
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n, err)
		case c.Handshake != nil && c.State != "refused":
			byID[c.ID], list = c, append(list, c)
		case known != nil && m.Kind.isMessage():
			known.rows = append(known.rows, m.row)
		}
	}
	return list, lines.Err()
}

// play opens a connection to the backend and goes through the rows: what was on the
// backend's wire is sent, or expected.
func (r *recording) play(ctx context.Context, backend modern.Dialer, prefix string) (*vector, error) {
	v := &vector{ID: r.ID, Dialect: r.Dialect, Path: r.Path, Same: true, Steps: []step{}, Skipped: []string{}}
	dialled, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	conn, to, err := r.open(dialled, backend, prefix)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for _, m := range r.rows {
		w := m.Backend
		if w == nil || m.From == "ws76" {
			continue
		}
		payload, whole := w.message()
		switch {
		case !whole:
			v.skip("a message of %d bytes, of which the export has %d", w.Size, len(w.Bytes))
		case w.isCompressed():
			v.skip("a message that is compressed with permessage-deflate")
		case m.From == "client":
			v.Steps = append(v.Steps, step{From: "client", Kind: m.Kind, Hex: payload})
			if to.send(modern.Opcode(w.Bytes[0]&0x0f), payload) != nil {
				v.Same = false
				return v, nil
			}
		default:
			conn.SetReadDeadline(time.Now().Add(replayTimeout))
			v.expect(step{From: "backend", Kind: m.Kind, Hex: payload}, to)
		}
	}
	return v, nil
}

// A peer is the backend that is played to.
type peer interface {
	send(op modern.Opcode, payload []byte) error
	next() (k kind, message []byte, err error)
}

// open opens the connection in the dialect that the recorded backend had.
func (r *recording) open(ctx context.Context, backend modern.Dialer, prefix string) (net.Conn, peer, error) {
	request := r.request(prefix)
	version, _ := strconv.Atoi(r.Backend)
	dialect := legacy.Dialect(version)
	if !dialect.Legacy() {
		b, err := backend.Dial(ctx, request)
		if err != nil {
			return nil, nil, err
		}
		return b.Conn, &modernPeer{conn: b.Conn, buf: b.Rest}, nil
	}
	old := &legacy.Request{
		Dialect: dialect, Secure: backend.TLS != nil, Host: request.Host, Resource: request.Target, Origin: request.Header.Get("Origin"), Cookie: request.Header.Get("Cookie"),
		Protocol: strings.Join(request.Protocols, ", "), AnyBrowser: true, Lax: true,
	}
	old.MakeKeys()
	b, err := backend.Send(ctx, old.Append(nil), old.ReadResponse)
	if err != nil {
		return nil, nil, err
	}
	rest := io.MultiReader(bytes.NewReader(b.Rest), b.Conn)
	return b.Conn, legacyPeer{legacy.NewConn(b.Conn, bufio.NewReader(rest), dialect)}, nil
}

type legacyPeer struct{ *legacy.Conn }

func (p legacyPeer) send(_ modern.Opcode, payload []byte) error {
	return p.WriteTextLossy(string(payload))
}

func (p legacyPeer) next() (kind, []byte, error) {
	message, err := p.ReadText()
	return text, []byte(message), err
}

func (v *vector) skip(format string, args ...any) {
	v.Skipped = append(v.Skipped, fmt.Sprintf(format, args...))
	v.Same = false
}

func (v *vector) expect(s step, from peer) {
	kind, got, err := from.next()
	if err == nil {
		s.Got = (*octets)(&got)
	}
	if err != nil || kind != s.Kind || !bytes.Equal(got, s.Hex) {
		v.Same = false
	}
	v.Steps = append(v.Steps, s)
}

// isCompressed reports whether a frame of the message has RSV1.
func (w *wire) isCompressed() bool {
	return len(w.Bytes) > 0 && w.Parts[0].size >= 2 && w.Bytes[0]&0x40 != 0
}

// request is the opening handshake that the recorded one led to, without what was masked.
func (r *recording) request(prefix string) modern.Request {
	head, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r.Handshake.Forwarded)))
	if err != nil {
		return modern.Request{Host: "localhost", Target: prefix + r.Path}
	}
	request := modern.Request{Host: head.Host, Target: head.RequestURI, Header: http.Header{}}
	if target, masked := strings.CutSuffix(request.Target, "?"+mask); masked {
		request.Target = target
	}
	request.Target = prefix + request.Target
	for _, name := range []string{"Origin", "Cookie", "Authorization", "User-Agent"} {
		if value := head.Header.Get(name); value != "" && value != mask {
			request.Header.Set(name, value)
		}
	}
	if protocols := cmp.Or(head.Header.Get("Sec-WebSocket-Protocol"), head.Header.Get("WebSocket-Protocol")); protocols != "" && protocols != mask {
		for p := range strings.SplitSeq(protocols, ",") {
			request.Protocols = append(request.Protocols, strings.TrimSpace(p))
		}
	}
	return request
}

type modernPeer struct {
	conn net.Conn
	buf  []byte
	scan modern.Scanner
}

func (p *modernPeer) send(op modern.Opcode, payload []byte) error {
	_, err := p.conn.Write(modern.AppendFrame(nil, true, op, payload, modern.NewKey()))
	return err
}

// next is the next message. Pings are answered.
func (p *modernPeer) next() (k kind, message []byte, err error) {
	for {
		tok, n, err := p.scan.Scan(p.buf)
		p.buf = p.buf[n:]
		switch {
		case err != nil:
			return "", nil, err
		case tok.Kind == modern.Message:
			if message = append(message, tok.Data...); tok.Last {
				return kindOf(tok.Opcode), message, nil
			}
		case tok.Kind == modern.Control && tok.Opcode == modern.Close:
			return "", nil, io.EOF
		case tok.Kind == modern.Control && tok.Opcode == modern.Ping:
			p.send(modern.Pong, tok.Data)
		case tok.Kind == modern.More && n == 0:
			b := make([]byte, 64<<10)
			n, err := p.conn.Read(b)
			if n == 0 && err != nil {
				return "", nil, err
			}
			p.buf = append(p.buf, b[:n]...)
		}
	}
}
