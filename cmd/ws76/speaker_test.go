package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/modern"
)

// A speaker is a client of any dialect. One goroutine may hear while others
// speak.
type speaker struct {
	*net.TCPConn
	dialect legacy.Dialect
	br      *bufio.Reader
	code    uint16 // of the Close frame that was heard

	mu sync.Mutex // one writes at a time
}

// What a speaker hears instead of a message.
var (
	errGoodbye = errors.New("the closing handshake: FF 00 or a Close frame")
	errEnd     = errors.New("the end of TCP between two messages")
)

// A refusedError is an answer other than 101.
type refusedError struct {
	status int
	body   string
}

func (e *refusedError) Error() string { return fmt.Sprintf("refused with %d: %q", e.status, e.body) }

// speak connects and completes the opening handshake of a dialect.
func speak(address string, d legacy.Dialect, target string) (*speaker, error) {
	s, err := newSpeaker(&net.Dialer{}, address, d)
	if err != nil {
		return nil, err
	}
	if err := s.open(target); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// newSpeaker is a speaker that has said nothing yet.
func newSpeaker(dialer *net.Dialer, address string, d legacy.Dialect) (*speaker, error) {
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	return &speaker{TCPConn: conn.(*net.TCPConn), dialect: d, br: bufio.NewReader(conn)}, nil
}

// open completes the opening handshake.
func (s *speaker) open(target string) error {
	head, answered := s.handshake(target)
	if _, err := s.Write(head); err != nil {
		return err
	}
	if start, err := s.br.Peek(len("HTTP/1.1 101")); err != nil {
		return err
	} else if !bytes.HasSuffix(start, []byte("101")) {
		return s.refused()
	}
	return answered()
}

// handshake is the request of a dialect, and reads the 101.
func (s *speaker) handshake(target string) (head []byte, answered func() error) {
	address := s.RemoteAddr().String()
	if s.dialect.Legacy() {
		r := legacy.NewRequest(s.dialect, &url.URL{Scheme: "ws", Host: address, Path: target})
		head := r.AppendHead(nil)
		if s.dialect == legacy.Hixie76 {
			head = append(head, r.Key3[:]...)
		}
		return head, func() error { return r.ReadResponse(s.br) }
	}
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	head = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n\r\n", target, address, s.dialect, key)
	return head, func() error {
		resp, err := http.ReadResponse(s.br, nil)
		if err == nil && resp.Header.Get("Sec-WebSocket-Accept") != modern.AcceptKey(key) {
			err = fmt.Errorf("Sec-WebSocket-Accept: %s", resp.Header.Get("Sec-WebSocket-Accept"))
		}
		return err
	}
}

func (s *speaker) refused() error {
	resp, err := http.ReadResponse(s.br, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return &refusedError{resp.StatusCode, string(body)}
}

// say sends a message.
func (s *speaker) say(message string) error {
	if s.dialect.Legacy() {
		return s.write(legacy.AppendText(nil, []byte(message)))
	}
	return s.write(modern.AppendFrame(nil, true, modern.Text, []byte(message), modern.NewKey()))
}

// goodbye begins the closing handshake, or answers it: FF 00, Close 1000, or
// the end of TCP.
func (s *speaker) goodbye() error {
	switch {
	case s.dialect == legacy.Hixie75:
		return s.CloseWrite()
	case s.dialect == legacy.Hixie76:
		return s.write(legacy.AppendClose(nil))
	}
	return s.write(modern.AppendClose(nil, modern.NormalClosure, modern.NewKey()))
}

func (s *speaker) write(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.Write(b)
	return err
}

// hear is the next message; its error is errGoodbye, errEnd or what is wrong.
func (s *speaker) hear() (string, error) {
	first, err := s.br.ReadByte()
	switch {
	case err == io.EOF:
		return "", errEnd
	case err != nil:
		return "", err
	case s.dialect.Legacy():
		return s.hearLegacy(first)
	}
	return s.hearFrame(first)
}

func (s *speaker) hearLegacy(first byte) (string, error) {
	switch first {
	case 0x00:
		message, err := s.br.ReadBytes(0xff)
		if err != nil {
			return "", fmt.Errorf("%w inside a message after %d bytes", err, len(message))
		}
		return string(message[:len(message)-1]), nil
	case 0xff:
		if second, err := s.br.ReadByte(); err != nil || second != 0x00 {
			return "", fmt.Errorf("FF %02x, %v", second, err)
		}
		return "", errGoodbye
	}
	return "", fmt.Errorf("a frame of type %02x", first)
}

// hearFrame takes frames as servers send them: whole messages without a mask.
func (s *speaker) hearFrame(first byte) (string, error) {
	var length [8]byte
	size := length[7:]
	if _, err := io.ReadFull(s.br, size); err != nil {
		return "", err
	}
	switch length[7] {
	case 126:
		size = length[6:]
	case 127:
		size = length[:]
	}
	if len(size) > 1 {
		if _, err := io.ReadFull(s.br, size); err != nil {
			return "", err
		}
	}
	payload := make([]byte, binary.BigEndian.Uint64(length[:]))
	if n, err := io.ReadFull(s.br, payload); err != nil {
		return "", fmt.Errorf("%w inside a frame after %d bytes", err, n)
	}
	switch first {
	case 0x80 | byte(modern.Text):
		return string(payload), nil
	case 0x80 | byte(modern.Close):
		s.code, _ = modern.ParseClose(payload)
		return "", errGoodbye
	}
	return "", fmt.Errorf("a frame that begins with %02x", first)
}

// rest is what comes until the end of TCP.
func (s *speaker) rest() ([]byte, error) { return io.ReadAll(s.br) }

// abort resets the connection, which then leaves nothing behind in the kernel.
func (s *speaker) abort() {
	s.SetLinger(0)
	s.Close()
}
