package probe

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate/proxies"
)

const (
	// maxBody is how much of the body of an answer is read.
	maxBody = 64 << 10
	// linger is how long a goodbye may take to be answered.
	linger = time.Second
)

// A wire is the connection of an attempt.
type wire struct {
	net.Conn
	br       *bufio.Reader
	deadline time.Time
	begun    bool // something has come back
}

// get sends a GET with the fields of the request and others.
func (w *wire) get(r *legacy.Request, fields string) {
	head := bytes.NewBufferString("GET " + r.Resource + " HTTP/1.1\r\nHost: " + r.Host + "\r\n" + fields)
	r.Header.Write(head)
	head.WriteString("\r\n")
	w.Write(head.Bytes())
}

// awaitAnswer reports whether the answer has begun, or ended, in time.
func (w *wire) awaitAnswer(timeout time.Duration) bool {
	if until := time.Now().Add(timeout); until.Before(w.deadline) {
		w.SetReadDeadline(until)
		defer w.SetReadDeadline(w.deadline)
	}
	_, err := w.br.Peek(1)
	return !reach.IsTimeout(err)
}

// leave says goodbye, which for -75 is the end of TCP, and hears the other
// side out: to close a socket with bytes unread would reset the connection,
// and the goodbye could be lost.
func (w *wire) leave(goodbye []byte) {
	w.SetDeadline(time.Now().Add(linger))
	w.Write(goodbye)
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok && goodbye == nil {
		half.CloseWrite()
	}
	io.Copy(io.Discard, w.br)
}

// An answer is what came back.
type answer struct {
	proxies.Response
	status int
	cut    error // why the body has no end
}

// upgrade reads the answer to a handshake, of a version or of none. Without a
// 101, the result says what became of it.
func (w *wire) upgrade(version string) (*answer, Result) {
	a, failed := w.answer()
	if a != nil && a.status != http.StatusSwitchingProtocols {
		return nil, a.refusal(version)
	}
	return a, failed
}

// answer reads an answer, interim ones passed over. Without one, the result
// says why.
func (w *wire) answer() (*answer, Result) {
	for {
		first, err := w.br.Peek(1)
		if err != nil {
			return nil, unanswered(err, "no answer, but "+reach.Ending(err))
		}
		w.begun = true
		if first[0] < ' ' {
			return nil, Result{Outcome: Unreachable, Detail: "the answer is binary, as of TLS", Advice: "the port probably speaks TLS: ask for wss:// (https://)"}
		}
		head, err := legacy.ReadHead(w.br)
		if err != nil {
			return nil, unanswered(err, err.Error())
		}
		resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), w.br)), nil)
		if err != nil {
			return nil, unanswered(err, err.Error())
		}
		a := &answer{Response: proxies.Response{Head: head, Header: fields(head)}, status: resp.StatusCode}
		if a.status >= 200 {
			a.Body, a.cut = io.ReadAll(io.LimitReader(resp.Body, maxBody))
		}
		if a.status >= 200 || a.status == http.StatusSwitchingProtocols {
			return a, Result{}
		}
	}
}

// fields are those of a head that has been read once: ReadResponse takes some
// of them away, a Connection with close in it for one.
func fields(head []byte) http.Header {
	_, lines, _ := bytes.Cut(head, []byte("\r\n"))
	header, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(lines))).ReadMIMEHeader()
	return http.Header(header)
}

// unanswered handles a connection that ended without a response. Whoever ends a connection without
// one cannot be told; the drafts allow it to a server.
func unanswered(err error, detail string) Result {
	if reach.IsTimeout(err) {
		return Result{Outcome: Timeout, Detail: detail}
	}
	return Result{
		Outcome: RefusedByApp, Detail: detail, Meaning: "the connection was ended without an answer",
		Advice: "see that what stands behind the port runs, and ask for wss:// if the port speaks TLS",
	}
}

func (a *answer) field(name string) string { return a.Header.Get(name) }

// differs says what a field is and what clients compare it with.
func (a *answer) differs(name, want string) string {
	return fmt.Sprintf("%s: %.200q, not %q", name, a.field(name), want)
}

// upgradeFault says what is wrong with the two fields that every client wants.
func (a *answer) upgradeFault() string {
	switch {
	case !strings.EqualFold(a.field("Upgrade"), "WebSocket"):
		return a.differs("Upgrade", "WebSocket")
	case !strings.EqualFold(a.field("Connection"), "Upgrade"):
		return a.differs("Connection", "Upgrade")
	}
	return ""
}

// compare does what browsers do with the 101 of a legacy handshake. They differ
// in Upgrade, which hardly any compares by case.
func (a *answer) compare(r *legacy.Request) Result {
	prefix := "Sec-WebSocket-"
	if r.Dialect == legacy.Hixie75 {
		prefix = "WebSocket-"
	}
	result := Result{Outcome: Works, Proxy: a.Proxy()}
	location := legacy.Location(r.Secure, r.Host, r.Resource)
	switch {
	case a.upgradeFault() != "":
		result.Outcome, result.Detail = Changed, a.upgradeFault()
	case a.field(prefix+"Location") != location:
		result.Outcome, result.Detail = LocationMismatch, a.differs(prefix+"Location", location)
		if strings.HasPrefix(a.field(prefix+"Location"), legacy.Location(r.Secure, r.Host, "/")) {
			result.Advice = "have the proxy pass the path on as it is (nginx: proxy_pass without a path)"
		}
	case a.field(prefix+"Origin") != r.Origin:
		result.Outcome, result.Detail = LocationMismatch, a.differs(prefix+"Origin", r.Origin)
		result.Advice = "keep the proxy from changing Origin"
	case a.field(prefix+"Protocol") != r.Protocol:
		result.Outcome, result.Detail = Changed, a.differs(prefix+"Protocol", r.Protocol)
		result.Advice = "-protocol: ask for the subprotocol that the app speaks, or for none"
	case a.field("Upgrade") != "WebSocket":
		result.Detail = "but not for Opera 11 and Firefox 4: " + a.differs("Upgrade", "WebSocket")
	}
	return result
}

// firstLines are what WebKit compared byte for byte in -75.
func (a *answer) firstLines() (lines string, same bool) {
	const want = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
	first := strings.SplitN(string(a.Head), "\r\n", 4)
	return fmt.Sprintf("the first lines are %.100q", first[:min(3, len(first))]), bytes.HasPrefix(a.Head, []byte(want))
}
