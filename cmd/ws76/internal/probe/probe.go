// Package probe opens a URL as the WebSocket clients of 2009 to today do, and
// says of each handshake what became of it, what that means and which line of
// configuration mends it.
//
// It is polite: one connection after the other, no message, and a goodbye in
// the dialect where a handshake succeeds, so that the app sees a client that
// came and went.
package probe

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
)

// A Prober is a client's place: what all attempts have in common.
type Prober struct {
	URL      *url.URL // of ParseURL
	Origin   string   // empty = the URL's own
	Protocol string   // subprotocol, or a list of them; empty to ask for none
	TLS      *tls.Config
	Timeout  time.Duration // for one attempt, from connecting to the end of its answer

	dialTCP func(ctx context.Context, network, address string) (net.Conn, error) // nil = the network
}

// A Result is what became of an attempt. Front, Meaning and Advice are complete
// when Explain has seen all results.
type Result struct {
	Attempt string  `json:"attempt"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
	Front   string  `json:"front"` // the proxy on the way, by its fingerprint; empty if there is none to see
	Meaning string  `json:"meaning"`
	Advice  string  `json:"advice"` // empty if it works

	status int // of an answer other than 101
}

// ParseURL reads a ws or wss URL; http and https mean the same.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	default:
		return nil, errors.New("allowed are ws, wss, http and https, for example ws://chat.example.com/socket")
	}
	_, badPort := strconv.ParseUint(cmp.Or(u.Port(), "1"), 10, 16)
	switch {
	case u.Hostname() == "" || badPort != nil:
		return nil, errors.New("it has no host, or a port that is none")
	case u.User != nil:
		return nil, errors.New("it has a user, which no handshake of these clients sends")
	case u.Fragment != "":
		return nil, errors.New("it has a fragment, which a WebSocket has not")
	}
	return u, nil
}

// Attempts are the names of all attempts, in the order of a walk.
func Attempts() []string {
	names := make([]string, len(attempts))
	for i, a := range attempts {
		names[i] = a.name
	}
	return names
}

// Try makes an attempt, by its name, on a connection of its own.
func (p *Prober) Try(ctx context.Context, name string) Result {
	for _, a := range attempts {
		if a.name == name {
			r := p.try(ctx, a)
			r.Attempt = name
			return r
		}
	}
	panic("probe: internal error: no attempt is called " + name)
}

func (p *Prober) try(ctx context.Context, a attempt) Result {
	deadline := time.Now().Add(p.Timeout)
	dialing, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, result := p.connect(dialing)
	if conn == nil {
		return result
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(deadline)
	return a.run(p, &wire{Conn: conn, br: bufio.NewReader(conn), deadline: deadline})
}

// connect opens TCP and TLS. Without a connection, the result says why.
func (p *Prober) connect(ctx context.Context) (net.Conn, Result) {
	dial := p.dialTCP
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	port := "80"
	if p.secure() {
		port = "443"
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(p.URL.Hostname(), cmp.Or(p.URL.Port(), port)))
	if err != nil {
		return nil, Result{Outcome: Unreachable, Detail: err.Error()}
	}
	if !p.secure() {
		return conn, Result{}
	}
	config := p.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.ServerName = p.URL.Hostname()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, withoutTLS(err)
	}
	return secure, Result{}
}

// withoutTLS is a connection on which no TLS could be agreed.
func withoutTLS(err error) Result {
	r := Result{Outcome: Unreachable, Detail: fmt.Sprintf("TLS: %v", err), Advice: "see that the port speaks TLS; if not, ask for ws://"}
	switch {
	case isTimeout(err):
		r.Outcome, r.Detail, r.Advice = Timeout, "TLS: no answer", ""
	case errors.As(err, new(*tls.CertificateVerificationError)):
		r.Advice = "-insecure looks past the certificate; for clients, install one that they trust, whole chain included"
	case errors.As(err, new(tls.RecordHeaderError)):
		r.Advice = "the port does not speak TLS: ask for ws://"
	case strings.Contains(err.Error(), "protocol version"), strings.Contains(err.Error(), "handshake failure"):
		r.Advice = "-min-tls 1.0 offers the versions and ciphers of 2010 too"
	}
	return r
}

// isTimeout reports whether time was up.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

func (p *Prober) secure() bool { return p.URL.Scheme == "wss" }

// request is the handshake of a legacy client. The other attempts take Host,
// Origin and Resource from it.
func (p *Prober) request(d legacy.Dialect) *legacy.Request {
	r := legacy.NewRequest(d, p.URL)
	r.Origin = cmp.Or(p.Origin, r.Origin)
	r.Protocol = p.Protocol
	return r
}

// publicURL is the setting of the gateway that makes the Location right.
func (p *Prober) publicURL() string {
	return "WS76_PUBLIC_URL=" + p.URL.Scheme + "://" + p.request(legacy.Hixie75).Host
}
