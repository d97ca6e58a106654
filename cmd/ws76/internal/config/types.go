package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ws76/ws76/legacy"
)

// off is the value that turns a setting off.
const off = "off"

// set sets a value if it is good; else its problem is the error.
func set[T any](to *T, value T, good bool, problem string) error {
	if !good {
		return errors.New(problem)
	}
	*to = value
	return nil
}

// An Address is where to listen; empty if off.
type Address string

// UnmarshalText reads host:port or off.
func (a *Address) UnmarshalText(text []byte) error {
	if string(text) == off {
		return nil
	}
	_, port, err := net.SplitHostPort(string(text))
	_, bad := strconv.ParseUint(port, 10, 16)
	return set(a, Address(text), err == nil && bad == nil, "not an address")
}

// A ClientAddress is where to listen for clients: an Address, or unix:/path.
type ClientAddress Address

// UnmarshalText reads host:port, unix:/path or off.
func (a *ClientAddress) UnmarshalText(text []byte) error {
	if strings.HasPrefix(string(text), unixPrefix) {
		return setSocket(a, text)
	}
	return (*Address)(a).UnmarshalText(text)
}

// unixPrefix begins the address of a Unix socket.
const unixPrefix = "unix:"

// maxSocketPath is how long the path of a Unix socket may be: sun_path of Linux has
// 108 bytes with a NUL at the end, that of the BSDs 104.
const maxSocketPath = 103

// setSocket reads unix:/path.
func setSocket[S ~string](to *S, text []byte) error {
	path := strings.TrimPrefix(string(text), unixPrefix)
	absolute := strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/") && !strings.ContainsFunc(path, unicode.IsControl)
	if absolute && len(path) > maxSocketPath {
		return fmt.Errorf("the path of a socket has at most %d bytes", maxSocketPath)
	}
	return set(to, S(text), absolute, "not the absolute path of a socket")
}

// A BackendURL is where the app is.
type BackendURL struct {
	Secure  bool
	Address string // host:port or unix:/path
	Prefix  string // of every path; empty or /...
}

// UnmarshalText reads an http, https, ws or wss URL, or unix:/path.
func (b *BackendURL) UnmarshalText(text []byte) error {
	if strings.HasPrefix(string(text), unixPrefix) {
		return setSocket(&b.Address, text)
	}
	u, err := url.Parse(string(text))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("not a URL with a host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("a backend has no query or fragment, because each request has its own")
	case u.User != nil:
		return errors.New("a backend has no user")
	case !isASCII(u.Host):
		return errors.New("a host name is in ASCII, internationalised ones in punycode, beginning with xn--")
	}
	port := "80"
	switch u.Scheme {
	case "http", "ws":
	case "https", "wss":
		b.Secure, port = true, "443"
	default:
		return errors.New("not a scheme that a WebSocket backend has")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if !validPort(port) {
		return errors.New("not a port")
	}
	b.Address = net.JoinHostPort(u.Hostname(), port)
	b.Prefix = strings.TrimSuffix(u.EscapedPath(), "/")
	return nil
}

// A Host is what the backend gets as Host: preserve, backend, or a host itself.
type Host string

// UnmarshalText reads one of the words or host[:port].
func (h *Host) UnmarshalText(text []byte) error {
	u, err := url.Parse("http://" + string(text))
	good := err == nil && u.Host == string(text) && u.Hostname() != "" && validPort(cmp.Or(u.Port(), "1")) && isASCII(u.Host) && !strings.HasSuffix(u.Host, ":")
	return set(h, Host(text), good, "not a host")
}

// A BackendDialect is a version of WebSocket that a backend may speak.
type BackendDialect legacy.Dialect

// UnmarshalText reads 13, 76 or 75.
func (d *BackendDialect) UnmarshalText(text []byte) error {
	known, ok := dialectOf(string(text))
	return set(d, BackendDialect(known), ok && (known.Legacy() || known == legacy.RFC6455), "not a version that a backend may speak")
}

// An Origin is what a backend gets as Origin.
type Origin string

// UnmarshalText reads an origin as a browser sends it.
func (o *Origin) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	good := string(text) == "null" || err == nil && u.Scheme != "" && u.Host != "" && u.Scheme+"://"+u.Host == string(text) && isASCII(u.Host)
	return set(o, Origin(text), good, "not an origin")
}

// A Text is a message; empty if off.
type Text string

// UnmarshalText reads a short text, or off.
func (t *Text) UnmarshalText(text []byte) error {
	if string(text) == off {
		return nil
	}
	good := len(text) <= 125 && utf8.Valid(text) && !strings.ContainsFunc(string(text), unicode.IsControl)
	return set(t, Text(text), good, "not a short text")
}

// A LocalPath is one that ws76 answers itself; empty if off.
type LocalPath string

// localPath matches paths that are spelt in one way only.
var localPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// UnmarshalText reads a path or off.
func (p *LocalPath) UnmarshalText(text []byte) error {
	if string(text) == off {
		return nil
	}
	return set(p, LocalPath(text), localPath.Match(text) && len(text) <= 255, "not a path of its own")
}

// A PublicURL is what clients connect to.
type PublicURL struct{ *url.URL }

// UnmarshalText reads ws://host or wss://host[:port].
func (p *PublicURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	bare := url.URL{}
	if err == nil {
		bare = url.URL{Scheme: u.Scheme, Host: u.Host}
	}
	good := (bare.Scheme == "ws" || bare.Scheme == "wss") && bare.Hostname() != "" && validPort(cmp.Or(bare.Port(), "1")) && isASCII(bare.Host) && bare.String() == string(text)
	return set(&p.URL, u, good, "not a public address")
}

// Networks are networks in CIDR form.
type Networks []netip.Prefix

// UnmarshalText reads a list, or off.
func (n *Networks) UnmarshalText(text []byte) error {
	return list(n, string(text), func(s string) (netip.Prefix, error) {
		p, err := netip.ParsePrefix(s)
		if addr, ok := netip.ParseAddr(s); ok == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			err = notA(s, "a network")
		}
		return p, err
	})
}

// Domains are patterns of domains.
type Domains []string

// UnmarshalText reads a list of domains, or off.
func (d *Domains) UnmarshalText(text []byte) error {
	return list(d, string(text), func(s string) (string, error) {
		if s == "" || strings.ContainsAny(s, " /:<>\"") || !isASCII(s) {
			return "", notA(s, "a domain")
		}
		return s, nil
	})
}

// Dialects may come in.
type Dialects []legacy.Dialect

// UnmarshalText reads a list of dialects.
func (d *Dialects) UnmarshalText(text []byte) error {
	if string(text) == off {
		return errors.New("without a dialect there is nothing to do")
	}
	return list(d, string(text), func(s string) (legacy.Dialect, error) {
		if known, ok := dialectOf(s); ok {
			return known, nil
		}
		return legacy.HTTP, notA(s, "a dialect")
	})
}

// dialectOf returns the dialect that a number names.
func dialectOf(number string) (legacy.Dialect, bool) {
	all := legacy.Dialects()
	i := slices.IndexFunc(all, func(d legacy.Dialect) bool { return d.String() == number })
	if i < 0 {
		return legacy.HTTP, false
	}
	return all[i], true
}

// Origins are allowed; nil is any.
type Origins []string

// UnmarshalText reads a list of origins; off allows any. They are kept as browsers send
// them, since any other form would match nobody.
func (o *Origins) UnmarshalText(text []byte) error {
	if string(text) == off {
		return nil
	}
	return list(o, string(text), func(s string) (string, error) {
		if suffix, ok := strings.CutPrefix(s, "*."); ok && domain.MatchString(suffix) || s == "null" {
			return s, nil
		}
		u, err := url.Parse(s)
		switch {
		case !isASCII(s) || err == nil && !isASCII(u.Host):
			return "", fmt.Errorf("%w as browsers send it: a host in other letters is in punycode there, beginning with xn--", notA(s, "an origin"))
		case err != nil || u.Scheme == "" || u.Host == "" || strings.Contains(u.Host, "*") || *u != (url.URL{Scheme: u.Scheme, Host: u.Host}) || !validPort(cmp.Or(u.Port(), "1")):
			return "", notA(s, "an origin")
		}
		return withoutDefaultPort(u.Scheme + "://" + u.Host), nil
	})
}

// domain matches names of hosts in ASCII.
var domain = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

// isASCII reports whether s has no other letters. Internationalised names reach ws76 and
// the resolver in punycode, so others would match nobody.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// validPort reports whether a port is one, without zeros in front.
func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// withoutDefaultPort is an origin as browsers send it.
func withoutDefaultPort(origin string) string {
	for scheme, port := range map[string]string{"http://": ":80", "https://": ":443"} {
		if strings.HasPrefix(origin, scheme) {
			return strings.TrimSuffix(origin, port)
		}
	}
	return origin
}

// A Size is a number of bytes; 0 is off.
type Size int64

// UnmarshalText reads a whole number with a unit, or off.
func (s *Size) UnmarshalText(text []byte) error {
	if string(text) == off || string(text) == "0" {
		return nil
	}
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}} {
		digits, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		return set(s, Size(n*unit.bytes), err == nil && n > 0 && n <= math.MaxInt64/unit.bytes, "not a size")
	}
	return errors.New("not a size")
}

// between reads a size that may not be off.
func (s *Size) between(least, most Size, text []byte, problem string) error {
	var size Size
	err := size.UnmarshalText(text)
	return set(s, size, err == nil && least <= size && size <= most, problem)
}

// A HeadSize is the most bytes of a request head.
type HeadSize Size

// UnmarshalText reads a size that leaves room for a handshake.
func (h *HeadSize) UnmarshalText(text []byte) error {
	return (*Size)(h).between(8<<10, 1<<20, text, "not a limit for a request head")
}

// A MemorySize is how much memory something may take that cannot do without.
type MemorySize Size

// UnmarshalText reads a size from 1MiB to 1GiB.
func (m *MemorySize) UnmarshalText(text []byte) error {
	return (*Size)(m).between(1<<20, 1<<30, text, "not an amount of memory")
}

// A Count is a number of things; 0 is off.
type Count int

// UnmarshalText reads a whole number, or off.
func (c *Count) UnmarshalText(text []byte) error {
	if string(text) == off {
		return nil
	}
	n, err := strconv.Atoi(string(text))
	return set(c, Count(n), err == nil && n >= 0, "not a count")
}

// A Timeout bounds what must end, so it cannot be off.
type Timeout time.Duration

// UnmarshalText reads a duration above 0.
func (t *Timeout) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	return set(t, Timeout(d), err == nil && d > 0, "not a timeout")
}

// A Period is a duration that may be off.
type Period time.Duration

// UnmarshalText reads a duration of at least a second, or off.
func (p *Period) UnmarshalText(text []byte) error {
	if string(text) == off || string(text) == "0" {
		return nil
	}
	d, err := time.ParseDuration(string(text))
	return set(p, Period(d), err == nil && d >= time.Second, "not a period")
}

// PEM is certificates or a key: the path of a file, or the text itself.
type PEM string

// UnmarshalText reads a path or PEM text. It does not look at the file, because health
// must work while the file is being replaced.
func (p *PEM) UnmarshalText(text []byte) error {
	good := PEM(text).Inline() || !strings.ContainsFunc(string(text), unicode.IsControl)
	return set(p, PEM(text), good, "neither PEM text, which begins with -----BEGIN, nor a path")
}

// Inline reports whether it is the text. There may be attributes before its first
// block, as PKCS 12 tools write them.
func (p PEM) Inline() bool { return strings.Contains(string(p), "-----BEGIN ") }

// A Secret is a password.
type Secret string

// UnmarshalText reads a secret that is hard to guess.
func (s *Secret) UnmarshalText(text []byte) error {
	good := len(text) >= 16 && !strings.ContainsFunc(string(text), func(r rune) bool { return r <= ' ' || r > '~' })
	return set(s, Secret(text), good, "too short for a password, or not printable")
}

// A ServerName is in a certificate.
type ServerName string

// UnmarshalText reads a name or an address.
func (n *ServerName) UnmarshalText(text []byte) error {
	foreign := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("/@<>\"*", r) }
	good := len(text) > 0 && len(text) <= 253 && !strings.ContainsFunc(string(text), foreign)
	return set(n, ServerName(text), good, "not a name")
}

// list reads values separated by commas; off is the empty list.
func list[L ~[]T, T any](into *L, value string, parse func(string) (T, error)) error {
	*into = L{}
	if value == off {
		return nil
	}
	for s := range strings.SplitSeq(value, ",") {
		v, err := parse(strings.TrimSpace(s))
		if err != nil {
			return err
		}
		*into = append(*into, v)
	}
	return nil
}

func notA(value, what string) error { return fmt.Errorf("%q is not %s", Mask("", value), what) }
