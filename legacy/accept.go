package legacy

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// What WebKit compares of a 101 of -75, to the byte; the fields begin a request too.
const (
	status75      = "HTTP/1.1 101 Web Socket Protocol Handshake\r\n"
	upgradeFields = "Upgrade: WebSocket\r\nConnection: Upgrade\r\n"
)

// maxOrigin is the longest Origin that is sent back.
const maxOrigin = 4096

// A Handshake is the opening handshake of a -75 or -76 client, checked and
// ready to be answered. Everything that can be wrong with it has been found
// before; key3 cannot be wrong, only late.
type Handshake struct {
	Dialect  Dialect
	Resource string // path and query, byte for byte as the client sent them
	Origin   string // as the client sent it; empty if it sent none
	Protocol string // the client's subprotocol, one string; empty if it asked for none
	Declared bool   // key3 is announced as Content-Length: 8

	// Key3Wait is how long key3 took to follow the head of the 101, 0 if it was
	// there before. Accept sets it.
	Key3Wait time.Duration

	// Key3 is the 8 bytes themselves. Accept sets it.
	Key3 [8]byte

	key1, key2 Key
	accept     string // answers a Sec-WebSocket-Key that a proxy added
	oneOfList  bool   // the client wants one element of its list back, not the list
}

// NewHandshake checks the request of a -75 or -76 client; the error is a
// *HandshakeError. The head is the request as it was received, up to the
// blank line; it may be nil, then three rarities get lost that net/http does not
// keep: a key that begins with a space (Chrome 6.0.427), the field order by
// which Flash is told from WebKit where a subprotocol list is concerned, and
// folded lines, which are not refused then.
func NewHandshake(r *http.Request, d Dialect, head []byte) (*Handshake, error) {
	h := &Handshake{Dialect: d, Origin: r.Header.Get("Origin"), Declared: r.ContentLength == 8}
	resource, ok := Resource(r)
	if !ok {
		target, _, _ := strings.Cut(r.RequestURI, "?") // a query often holds secrets
		return nil, refuse(BadTarget, target)
	}
	h.Resource = resource
	if len(h.Origin) > maxOrigin || !printable(h.Origin) {
		return nil, refuse(BadOrigin, h.Origin)
	}
	if err := cmp.Or(CheckHead(head), CheckBody(r, d)); err != nil {
		return nil, err
	}
	if d == Hixie76 {
		var err1, err2 error
		h.key1, err1 = readKey(r, head, "Sec-Websocket-Key1")
		h.key2, err2 = readKey(r, head, "Sec-Websocket-Key2")
		if err := cmp.Or(err1, err2); err != nil {
			return nil, err
		}
	}
	if err := h.readProtocol(r.Header.Values(d.prefix() + "Protocol")); err != nil {
		return nil, err
	}
	h.oneOfList = strings.Contains(h.Protocol, ",") && flashOrder(head)
	if key := r.Header.Get("Sec-Websocket-Key"); key != "" {
		h.accept = acceptValue(key)
	}
	return h, nil
}

// Resource returns the path and query of a request, byte for byte as the client
// sent them; the target may be in absolute form (RFC 9112 section 3.2.2). It
// reports false for a target that has no path or holds bytes that no target has.
func Resource(r *http.Request) (string, bool) {
	target := r.RequestURI
	if scheme, rest, absolute := strings.Cut(target, "://"); absolute && !strings.ContainsAny(scheme, "/?:") {
		path := rest[min(strings.IndexAny(rest+"/", "/?"), len(rest)):]
		target = "/" + strings.TrimPrefix(path, "/")
	}
	if !strings.HasPrefix(target, "/") || !printable(target) || strings.ContainsAny(target, " #") {
		return "", false
	}
	return target, true
}

// CheckHead refuses a head, as received, with a folded line. net/http makes one
// value of it, and whoever reads lines takes the rest for another field.
func CheckHead(head []byte) error {
	if bytes.Contains(head, []byte("\n ")) || bytes.Contains(head, []byte("\n\t")) {
		return refuse(FoldedHead, "")
	}
	return nil
}

// CheckBody allows an opening handshake the one body that there is: key3 of
// -76, declared.
func CheckBody(r *http.Request, d Dialect) error {
	switch {
	case len(r.TransferEncoding) > 0:
		return refuse(BodyNotAllowed, "Transfer-Encoding")
	case r.ContentLength == 0, r.ContentLength == 8 && d == Hixie76:
		return nil
	}
	return refuse(BodyNotAllowed, fmt.Sprintf("Content-Length: %d", r.ContentLength))
}

// readKey prefers the head: net/http trims a key that begins with a space.
func readKey(r *http.Request, head []byte, name string) (Key, error) {
	if raw, ok := rawValue(head, name); ok {
		return ParseKey(raw)
	}
	return ParseKey(r.Header.Get(name))
}

// readProtocol keeps the subprotocol as the one string that it is in these
// drafts, and makes sure that it can be offered as a list of tokens.
func (h *Handshake) readProtocol(values []string) error {
	if len(values) == 0 {
		return nil
	}
	h.Protocol = values[0]
	list := h.Protocols()
	if len(values) > 1 || len(list) == 0 || slices.ContainsFunc(list, func(p string) bool { return !isToken(p) }) {
		return refuse(BadProtocol, strings.Join(values, ", "))
	}
	return nil
}

// Protocols is the client's subprotocol as the list that RFC 6455 wants:
// split at commas, trimmed, without repetition. It is empty if the client
// asked for none.
func (h *Handshake) Protocols() []string {
	var list []string
	for p := range strings.SplitSeq(h.Protocol, ",") {
		if p = strings.Trim(p, " \t"); p != "" && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// ResponseFields are the fields of the 101 that the server decides.
type ResponseFields struct {
	Location  string   // of the WebSocket, see Location
	Protocol  string   // the one the backend selected; empty if none
	SetCookie []string // values of Set-Cookie fields
}

// Location returns what a client compares with the URL it opened: scheme by the
// client's side of the connection, host in lower case, the scheme's own port
// left out, the resource as it is (-76 section 5.2, step 3).
func Location(secure bool, host, resource string) string {
	scheme, port := "ws", ":80"
	if secure {
		scheme, port = "wss", ":443"
	}
	return scheme + "://" + strings.TrimSuffix(strings.ToLower(host), port) + resource
}

// CheckProtocol says whether the client can accept what the backend selected.
// A legacy client that asked for a subprotocol drops any connection that does
// not confirm it, and one that did not ask drops any that does.
func (h *Handshake) CheckProtocol(selected string) error {
	if selected == "" && h.Protocol == "" || slices.Contains(h.Protocols(), selected) {
		return nil
	}
	return refuse(ProtocolMismatch, selected)
}

// AppendHead appends the head of the 101. For -75 it is to the byte what
// WebKit compares; for -76 the same order serves all clients.
func (h *Handshake) AppendHead(dst []byte, f ResponseFields) []byte {
	prefix, status := h.Dialect.prefix(), "HTTP/1.1 101 WebSocket Protocol Handshake\r\n"
	if h.Dialect == Hixie75 {
		status = status75
	}
	dst = append(dst, status+upgradeFields...)
	if h.Origin != "" {
		dst = appendField(dst, prefix+"Origin", h.Origin)
	}
	dst = appendField(dst, prefix+"Location", f.Location)
	if f.Protocol != "" {
		value := h.Protocol
		if h.oneOfList {
			value = f.Protocol
		}
		dst = appendField(dst, prefix+"Protocol", value)
	}
	for _, cookie := range f.SetCookie {
		dst = appendField(dst, "Set-Cookie", cookie)
	}
	if h.accept != "" {
		dst = appendField(dst, "Sec-WebSocket-Accept", h.accept)
	}
	return append(dst, "\r\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// Accept completes the handshake on the connection that br buffers: it writes
// the head of the 101 at once, for -76 then reads key3, in whatever segments
// it comes, and writes the challenge response. If key3 is there already, head
// and response go out in one write. What follows key3 stays in br: frames.
//
// A -76 connection is open only when Accept returns nil. The error is a
// *HandshakeError with Reason Key3Timeout if key3 took longer than the
// timeout, or Key3Missing if the client's side ended before; any other is of a
// failed write. The 101 is out by then: all that is left is to close.
func (h *Handshake) Accept(conn net.Conn, br *bufio.Reader, f ResponseFields, timeout time.Duration) error {
	out := h.AppendHead(make([]byte, 0, 512), f)
	if h.Dialect == Hixie75 {
		_, err := conn.Write(out)
		return err
	}
	early := br.Buffered() >= 8
	if !early {
		if _, err := conn.Write(out); err != nil {
			return err
		}
		out = out[:0]
	}
	began := time.Now()
	key3, err := readKey3(conn, br, timeout)
	if err != nil {
		return err
	}
	if !early {
		h.Key3Wait = time.Since(began)
	}
	h.Key3 = key3
	response := ChallengeResponse(h.key1, h.key2, key3)
	_, err = conn.Write(append(out, response[:]...))
	return err
}

func readKey3(conn net.Conn, br *bufio.Reader, timeout time.Duration) (key3 [8]byte, err error) {
	conn.SetReadDeadline(time.Now().Add(timeout))
	n, err := io.ReadFull(br, key3[:])
	conn.SetReadDeadline(time.Time{})
	if err == nil {
		return key3, nil
	}
	reason := Key3Missing
	if errors.Is(err, os.ErrDeadlineExceeded) {
		reason = Key3Timeout
	}
	return key3, &HandshakeError{reason, fmt.Sprintf("%d of 8 bytes came", n), err}
}

// AwaitKey3 waits for a declared key3 for at most the timeout and reports
// whether it is there. A client or proxy that declares key3 sends it without
// waiting for the 101; one that declares it and still waits is served as if it
// had not.
func AwaitKey3(conn net.Conn, br *bufio.Reader, timeout time.Duration) bool {
	conn.SetReadDeadline(time.Now().Add(timeout))
	_, err := br.Peek(8)
	conn.SetReadDeadline(time.Time{})
	return err == nil
}

// acceptValue is Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). It is
// here for proxies that add a key of their own to a -75 or -76 request.
func acceptValue(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// printable reports whether s can stand in a header line: no control
// character, so neither CR nor LF nor NUL.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// isToken reports whether s is a token (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// rawValue is a field value as it stands in the head, without the one space
// after the colon, ok only if the field stands there once.
func rawValue(head []byte, name string) (value string, ok bool) {
	for line := range bytes.Lines(head) {
		n, v, found := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if !found || len(n) != len(name) || !strings.EqualFold(string(n), name) {
			continue
		}
		if ok {
			return "", false
		}
		value, ok = string(bytes.TrimPrefix(v, []byte(" "))), true
	}
	return value, ok
}

// flashOrder reports whether the fields stand as the Flash client web-socket-js
// sends them: Cookie before Key1, the subprotocol after Key2.
func flashOrder(head []byte) bool {
	head = bytes.ToLower(head)
	at := func(name string) int { return bytes.Index(head, []byte("\r\n"+name+":")) }
	cookie, protocol := at("cookie"), at("sec-websocket-protocol")
	return cookie >= 0 && cookie < at("sec-websocket-key1") && protocol > at("sec-websocket-key2")
}
