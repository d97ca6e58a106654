package modern

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
)

// Forward connects and passes on a client's own opening handshake, with its
// Sec-WebSocket fields in r.Header; what the backend selects is for the client
// to use. A 101 that the client must not accept (RFC 6455 section 4.1) is a
// *DialError; the other errors are those of Dial.
func (d *Dialer) Forward(ctx context.Context, r Request) (*Backend, error) {
	o := offer{r.Header.Get("Sec-Websocket-Key"), elements(r.Header["Sec-Websocket-Protocol"]), elements(r.Header["Sec-Websocket-Extensions"])}
	return d.open(ctx, func(conn net.Conn) (*Backend, error) { return handshake(conn, r, o, SpellFields(r.Header), "") })
}

// An offer is what a client's opening handshake asks for.
type offer struct {
	key                   string
	protocols, extensions []string // without parameters
}

// oneLine keeps a value from adding a field, as http.Header.Write does.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// fields returns the offer as lines of a request's head.
func (o offer) fields() string {
	lines := "Sec-WebSocket-Key: " + o.key + "\r\n"
	if len(o.protocols) > 0 {
		lines += "Sec-WebSocket-Protocol: " + oneLine.Replace(strings.Join(o.protocols, ", ")) + "\r\n"
	}
	return lines + "Sec-WebSocket-Version: 13\r\n"
}

func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:])
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// handshake sends a request with the fields and the lines, among which is the offer, and
// holds the answer against it.
func handshake(conn net.Conn, r Request, o offer, fields http.Header, lines string) (*Backend, error) {
	request := bytes.NewBufferString("GET " + r.Target + " HTTP/1.1\r\nHost: " + r.Host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	fields.Write(request)
	request.WriteString(lines + "\r\n")
	if _, err := conn.Write(request.Bytes()); err != nil {
		return nil, dialError(BadResponse, err)
	}
	r.show(true, request.Bytes())
	hc := &headConn{Conn: conn, asked: r}
	resp, err := http.ReadResponse(bufio.NewReaderSize(hc, 1024), nil)
	if err != nil {
		return nil, dialError(BadResponse, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, refused(hc)
	}
	if err := RepairNames(resp.Header); err != nil {
		return nil, &DialError{BadResponse, err}
	}
	if err := checkSelection(o, resp.Header); err != nil {
		return nil, err
	}
	return &Backend{
		Conn:     conn,
		Rest:     bytes.Clone(hc.buf[hc.head:]),
		Header:   resp.Header,
		Protocol: resp.Header.Get("Sec-Websocket-Protocol"),
	}, nil
}

var errWrongFields = errors.New("one of Upgrade, Connection and Sec-WebSocket-Accept is wrong")

// checkSelection holds a 101 against what was offered.
func checkSelection(o offer, answer http.Header) error {
	if !websocket.IsWebSocketUpgrade(&http.Request{Header: answer}) || answer.Get("Sec-Websocket-Accept") != AcceptKey(o.key) {
		return &DialError{BadResponse, errWrongFields}
	}
	dropEmpty(answer)
	if selected := answer["Sec-Websocket-Protocol"]; len(selected) > 1 || len(selected) == 1 && !slices.Contains(o.protocols, selected[0]) {
		return &DialError{UnofferedSubprotocol, fmt.Errorf("%.64q", selected)}
	}
	for _, ext := range elements(answer["Sec-Websocket-Extensions"]) {
		if !slices.Contains(o.extensions, ext) {
			return &DialError{UnofferedExtension, fmt.Errorf("%.64q", ext)}
		}
	}
	return nil
}

// elements are the names in a list field, without their parameters.
func elements(values []string) (names []string) {
	for _, v := range values {
		for element := range strings.SplitSeq(v, ",") {
			name, _, _ := strings.Cut(element, ";")
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// dropEmpty removes the fields of a 101 that select nothing, which some servers send.
func dropEmpty(h http.Header) {
	for _, name := range []string{"Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		if strings.TrimSpace(strings.Join(h[name], "")) == "" {
			delete(h, name)
		}
	}
}

// RepairNames removes the space between a name and its colon in the fields of a response,
// which net/http keeps as a part of the name and would not send on (RFC 9112 section
// 5.1). It refuses a response whose framing fields are spelt so, because net/http has
// read another end of it, and any other space in a name.
func RepairNames(h http.Header) error {
	for name, values := range h {
		repaired := http.CanonicalHeaderKey(strings.TrimRight(name, " "))
		switch {
		case !strings.Contains(name, " "):
			continue
		case strings.Contains(repaired, " "), repaired == "Content-Length", repaired == "Transfer-Encoding":
			return fmt.Errorf("the response has a field name with a space: %.64q", name)
		}
		delete(h, name)
		h[repaired] = append(h[repaired], values...)
	}
	return nil
}

// SpellFields returns a copy of h whose Sec-WebSocket fields are spelt as in RFC 6455,
// because some clients and backends compare names with their case.
func SpellFields(h http.Header) http.Header {
	out := make(http.Header, len(h)+1)
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
			name = "Sec-WebSocket-" + rest
		}
		out[name] = values
	}
	return out
}

// AcceptKey returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455
// section 4.2.2).
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
