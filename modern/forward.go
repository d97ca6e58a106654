package modern

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
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
	return d.open(ctx, r, forward)
}

func forward(conn net.Conn, r Request) (*Backend, error) {
	var request bytes.Buffer
	fmt.Fprintf(&request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", r.Target, r.Host)
	r.Header.Write(&request)
	request.WriteString("\r\n")
	if _, err := conn.Write(request.Bytes()); err != nil {
		return nil, dialError(BadAnswer, err)
	}
	hc := &headConn{Conn: conn}
	resp, err := http.ReadResponse(bufio.NewReaderSize(hc, 1024), nil)
	if err != nil {
		return nil, dialError(BadAnswer, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, refused(hc)
	}
	if err := checkSelection(r.Header, resp.Header); err != nil {
		return nil, err
	}
	return &Backend{
		Conn:     conn,
		Rest:     bytes.Clone(hc.buf[hc.head:]),
		Header:   resp.Header,
		Protocol: resp.Header.Get("Sec-Websocket-Protocol"),
	}, nil
}

// checkSelection holds a 101 against what was offered.
func checkSelection(offer, answer http.Header) error {
	if !websocket.IsWebSocketUpgrade(&http.Request{Header: answer}) ||
		answer.Get("Sec-Websocket-Accept") != Accept(offer.Get("Sec-Websocket-Key")) {
		return &DialError{Reason: BadAnswer, Err: errWrongFields}
	}
	selected := answer["Sec-Websocket-Protocol"]
	if len(selected) > 1 || len(selected) == 1 && !slices.Contains(elements(offer["Sec-Websocket-Protocol"]), selected[0]) {
		return &DialError{Reason: UnofferedSubprotocol, Err: fmt.Errorf("%.64q", selected)}
	}
	offered := elements(offer["Sec-Websocket-Extensions"])
	for _, ext := range elements(answer["Sec-Websocket-Extensions"]) {
		if !slices.Contains(offered, ext) {
			return &DialError{Reason: UnofferedExtension, Err: fmt.Errorf("%.64q", ext)}
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

// Accept is the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455
// section 4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
