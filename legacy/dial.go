package legacy

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxResponseHead bounds the head of an answer that a client reads.
const maxResponseHead = 16 << 10

// A Request is the opening handshake of a client, the other role of the wire.
// NewRequest fills in what a browser would; every field may be changed before
// it is sent.
type Request struct {
	Dialect  Dialect
	Secure   bool   // the connection is TLS
	Host     string // host, and port unless it is the scheme's own
	Resource string // path and query
	Origin   string
	Protocol string // subprotocol, one string; empty to ask for none
	Cookie   string
	Header   http.Header // sent behind the Cookie; nothing of the above
	Declare  bool        // announce key3 as Content-Length: 8
	Key1     string
	Key2     string
	Key3     [8]byte

	// AnyBrowser lets ReadResponse accept what one browser or another accepted:
	// for -76, Upgrade in any case, as WebKit does.
	AnyBrowser bool
	// Lax lets ReadResponse accept the slips that servers are known for. It puts
	// those that it met into Slips.
	Lax   bool
	Slips []string
}

// NewRequest makes the request of a -75 or -76 client for a ws or wss URL,
// with the URL's own origin and fresh keys.
func NewRequest(d Dialect, u *url.URL) *Request {
	r := &Request{Dialect: d, Secure: u.Scheme == "wss", Resource: u.RequestURI()}
	r.Host = strings.TrimPrefix(Location(r.Secure, u.Host, ""), u.Scheme+"://")
	r.Origin = "http" + strings.TrimPrefix(u.Scheme, "ws") + "://" + r.Host
	r.MakeKeys()
	return r
}

// MakeKeys makes fresh keys, if the dialect has any.
func (r *Request) MakeKeys() {
	if r.Dialect == Hixie76 {
		r.Key1, r.Key2 = MakeKey(), MakeKey()
		rand.Read(r.Key3[:])
	}
}

// Append appends the whole request: the head, and in -76 key3.
func (r *Request) Append(dst []byte) []byte {
	dst = r.AppendHead(dst)
	if r.Dialect == Hixie76 {
		dst = append(dst, r.Key3[:]...)
	}
	return dst
}

// AppendHead appends the request up to its blank line in the order of WebKit.
func (r *Request) AppendHead(dst []byte) []byte {
	dst = fmt.Appendf(dst, "GET %s HTTP/1.1\r\n"+upgradeFields, r.Resource)
	dst = appendField(dst, "Host", r.Host)
	if r.Origin != "" {
		dst = appendField(dst, "Origin", r.Origin)
	}
	if r.Protocol != "" {
		dst = appendField(dst, r.Dialect.prefix()+"Protocol", r.Protocol)
	}
	if r.Cookie != "" {
		dst = appendField(dst, "Cookie", r.Cookie)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			dst = appendField(dst, name, value)
		}
	}
	if r.Dialect == Hixie76 {
		if r.Declare {
			dst = appendField(dst, "Content-Length", "8")
		}
		dst = appendField(dst, "Sec-WebSocket-Key1", r.Key1)
		dst = appendField(dst, "Sec-WebSocket-Key2", r.Key2)
	}
	return append(dst, "\r\n"...)
}

// Open sends the request, key3 in the same write as the head, and checks the
// answer as the strictest browsers do. It sets no deadline; the caller can.
// The error is a *HandshakeError with Reason BadResponse, or one of the
// connection.
func (r *Request) Open(conn net.Conn) (*Conn, error) {
	if _, err := conn.Write(r.Append(nil)); err != nil {
		return nil, err
	}
	br := bufio.NewReader(conn)
	if err := r.ReadResponse(br); err != nil {
		return nil, err
	}
	c := NewConn(conn, br, r.Dialect)
	c.protocol = r.Protocol
	return c, nil
}

// ReadResponse reads the answer from br, to the end of the challenge response,
// and checks it: status line, Upgrade, Connection, origin, location,
// subprotocol, the 16 bytes. As in the browsers, -76 compares Connection
// without its case and as a whole, and all else to the byte; -75 compares the
// first three lines to the byte.
func (r *Request) ReadResponse(br *bufio.Reader) error {
	head, err := ReadHead(br)
	if err != nil {
		return err
	}
	if err := r.checkHead(head); err != nil || r.Dialect == Hixie75 {
		return err
	}
	want, err := r.ChallengeResponse()
	if err != nil {
		return err
	}
	var got [16]byte
	if _, err := io.ReadFull(br, got[:]); err != nil {
		return fmt.Errorf("read challenge response: %w", err)
	}
	if got != want && !r.slipped(SlipByteOrder, slices.Contains(r.swapped(), got)) {
		return refuse(BadResponse, fmt.Sprintf("challenge response %x, not %x", got, want))
	}
	return nil
}

// Slips of servers, which Lax accepts.
const (
	SlipByteOrder  = "byte order of the challenge response"
	SlipNoLocation = "no location"
	SlipStatusLine = "status line that is not of -75" // as of Protocol::WebSocket for Perl
)

// slipped reports whether a slip was made that may pass.
func (r *Request) slipped(slip string, made bool) bool {
	if !made || !r.Lax {
		return false
	}
	r.Slips = append(r.Slips, slip)
	return true
}

// swapped are the challenge responses of servers that put numbers into memory in the
// order of their processor: the two parts, or the four words of the MD5.
func (r *Request) swapped() [][16]byte {
	want, _ := r.ChallengeResponse()
	key1, _ := ParseKey(r.Key1)
	key2, _ := ParseKey(r.Key2)
	key1.Part, key2.Part = bits.ReverseBytes32(key1.Part), bits.ReverseBytes32(key2.Part)
	for i := 0; i < len(want); i += 4 {
		slices.Reverse(want[i : i+4])
	}
	return [][16]byte{want, ChallengeResponse(key1, key2, r.Key3)}
}

// ChallengeResponse is what the server must send behind the head of its 101.
func (r *Request) ChallengeResponse() ([16]byte, error) {
	key1, err1 := ParseKey(r.Key1)
	key2, err2 := ParseKey(r.Key2)
	return ChallengeResponse(key1, key2, r.Key3), errors.Join(err1, err2)
}

// ReadHead reads the head of an answer, its blank line included.
func ReadHead(br *bufio.Reader) ([]byte, error) {
	var head []byte
	for len(head) < maxResponseHead {
		line, err := br.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("read answer after %.64q: %w", head, err)
		}
		if bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			return head, nil
		}
	}
	return nil, refuse(BadResponse, "a head of over 16 KiB")
}

func (r *Request) checkHead(head []byte) error {
	status, rest, _ := strings.Cut(string(head), "\r\n")
	if r.Dialect == Hixie75 {
		reworded := strings.HasPrefix(status, "HTTP/1.1 101 ") && strings.HasPrefix(rest, upgradeFields)
		if !bytes.HasPrefix(head, []byte(status75+upgradeFields)) && !r.slipped(SlipStatusLine, reworded) {
			return refuse(BadResponse, status)
		}
	} else if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return refuse(BadResponse, status)
	}
	fields := map[string]string{}
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if _, again := fields[name]; ok && !again {
			fields[name] = strings.TrimPrefix(value, " ")
		}
	}
	prefix := strings.ToLower(r.Dialect.prefix())
	for _, want := range []struct {
		name, value string
		anyCase     bool
	}{
		{name: "upgrade", value: "WebSocket", anyCase: r.AnyBrowser},
		{name: "connection", value: "Upgrade", anyCase: true},
		{name: prefix + "origin", value: r.Origin},
		{name: prefix + "location", value: Location(r.Secure, r.Host, r.Resource)},
		{name: prefix + "protocol", value: r.Protocol},
	} {
		got := fields[want.name]
		switch {
		case got == want.value, want.anyCase && strings.EqualFold(got, want.value):
		case r.slipped(SlipNoLocation, got == "" && want.name == prefix+"location"):
		default:
			return refuse(BadResponse, fmt.Sprintf("%s: %s, not %s", want.name, got, want.value))
		}
	}
	return nil
}
