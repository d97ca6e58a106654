package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// off is the value that turns a setting off.
const off = "off"

// An Address is where to listen; empty if off.
type Address string

// UnmarshalText reads host:port or off.
func (a *Address) UnmarshalText(text []byte) error {
	if string(text) == off {
		*a = ""
		return nil
	}
	_, port, err := net.SplitHostPort(string(text))
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return errors.New("not an address; allowed: host:port or :port with a port from 0 to 65535, for example :8076")
	}
	*a = Address(text)
	return nil
}

// A BackendURL is where the app is.
type BackendURL struct {
	Secure  bool
	Address string // host:port
	Prefix  string // of every path; empty or /...
}

// UnmarshalText reads an http, https, ws or wss URL.
func (b *BackendURL) UnmarshalText(text []byte) error {
	const allowed = "; allowed: http, https, ws or wss, a host, an optional port and path, for example http://127.0.0.1:8080"
	u, err := url.Parse(string(text))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("not a URL with a host" + allowed)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("a backend has no query or fragment: each request brings its own" + allowed)
	case u.User != nil:
		return errors.New("a backend has no user" + allowed)
	}
	port := "80"
	switch u.Scheme {
	case "http", "ws":
	case "https", "wss":
		b.Secure, port = true, "443"
	default:
		return errors.New("not a scheme that a WebSocket backend has" + allowed)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("not a port" + allowed)
	}
	b.Address = net.JoinHostPort(u.Hostname(), port)
	b.Prefix = strings.TrimSuffix(u.EscapedPath(), "/")
	return nil
}

// A HostPolicy says which Host the backend sees.
type HostPolicy string

// UnmarshalText reads preserve or backend.
func (h *HostPolicy) UnmarshalText(text []byte) error {
	return oneOf(h, string(text), "preserve", "backend")
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
	_, badPort := strconv.ParseUint(cmp.Or(bare.Port(), "1"), 10, 16)
	if bare.Scheme != "ws" && bare.Scheme != "wss" || bare.Hostname() == "" || badPort != nil || bare.String() != string(text) {
		return errors.New("not a public address; allowed: ws://host or wss://host, with a port or without, for example wss://chat.example.com")
	}
	p.URL = u
	return nil
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
			err = fmt.Errorf("%q is not a network; allowed: addresses and networks separated by commas, for example 10.0.0.0/8,::1; off", s)
		}
		return p, err
	})
}

// A Requirement is required or off.
type Requirement string

// UnmarshalText reads required or off.
func (r *Requirement) UnmarshalText(text []byte) error {
	return oneOf(r, string(text), "required", off)
}

// Domains are patterns of domains.
type Domains []string

// UnmarshalText reads a list of domains, or off.
func (d *Domains) UnmarshalText(text []byte) error {
	return list(d, string(text), func(s string) (string, error) {
		if s == "" || strings.ContainsAny(s, " /:<>\"") {
			return "", fmt.Errorf("%q is not a domain; allowed: names and patterns separated by commas, for example *.example.com or *; off", s)
		}
		return s, nil
	})
}

// Dialects may come in.
type Dialects []legacy.Dialect

// UnmarshalText reads a list of dialects.
func (d *Dialects) UnmarshalText(text []byte) error {
	if string(text) == off {
		return errors.New("without a dialect there is nothing to do; allowed: 75, 76, 7, 8 and 13, separated by commas, for example 75,76")
	}
	return list(d, string(text), func(s string) (legacy.Dialect, error) {
		for _, dialect := range legacy.Dialects() {
			if s == dialect.String() {
				return dialect, nil
			}
		}
		return legacy.HTTP, fmt.Errorf("%q is not a dialect; allowed: 75, 76, 7, 8 and 13, separated by commas, for example 75,76", s)
	})
}

// Origins are let in; nil is any.
type Origins []string

// UnmarshalText reads a list of origins; off lets any in.
func (o *Origins) UnmarshalText(text []byte) error {
	if string(text) == off {
		*o = nil
		return nil
	}
	return list(o, string(text), func(s string) (string, error) {
		u, err := url.Parse(s)
		if s == "null" || strings.HasPrefix(s, "*.") && len(s) > 2 {
			return s, nil
		}
		if err == nil && u.Scheme != "" && u.Host != "" && !strings.Contains(u.Host, "*") && *u == (url.URL{Scheme: u.Scheme, Host: u.Host}) {
			return withoutDefaultPort(s), nil
		}
		return "", fmt.Errorf("%q is not an origin; allowed: http://host, https://host:port, null or *.suffix, separated by commas, for example https://app.example.com,*.example.org; off", s)
	})
}

// withoutDefaultPort is an origin as browsers send it.
func withoutDefaultPort(origin string) string {
	for scheme, port := range map[string]string{"http://": ":80", "https://": ":443"} {
		if len(origin) > len(scheme) && strings.EqualFold(origin[:len(scheme)], scheme) {
			return strings.TrimSuffix(origin, port)
		}
	}
	return origin
}

// Binary is what becomes of binary messages.
type Binary translate.BinaryPolicy

// UnmarshalText reads a policy.
func (b *Binary) UnmarshalText(text []byte) error {
	return oneOf(b, string(text), Binary(translate.BinaryClose), Binary(translate.BinaryBase64), Binary(translate.BinaryText), Binary(translate.BinaryDrop))
}

// A Size is a number of bytes; 0 is off.
type Size int64

// UnmarshalText reads a whole number with a unit, or off.
func (s *Size) UnmarshalText(text []byte) error {
	if string(text) == off || string(text) == "0" {
		*s = 0
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
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n > 0 && n <= math.MaxInt64/unit.bytes {
			*s = Size(n * unit.bytes)
			return nil
		}
		break
	}
	return errors.New("not a size; allowed: a whole number with B, KiB, MiB or GiB, for example 64MiB; off")
}

// A HeadSize is the most bytes of a request head.
type HeadSize Size

// UnmarshalText reads a size that leaves room for a handshake.
func (h *HeadSize) UnmarshalText(text []byte) error {
	var size Size
	if err := size.UnmarshalText(text); err != nil || size < 8<<10 || size > 1<<20 {
		return errors.New("not a limit for a request head; allowed: 8KiB to 1MiB, for example 16KiB")
	}
	*h = HeadSize(size)
	return nil
}

// A Count is a number of things; 0 is off.
type Count int

// UnmarshalText reads a whole number, or off.
func (c *Count) UnmarshalText(text []byte) error {
	if string(text) == off {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 {
		return errors.New("not a count; allowed: a whole number, for example 1000; off")
	}
	*c = Count(n)
	return nil
}

// A Timeout bounds something that must end: it cannot be off.
type Timeout time.Duration

// UnmarshalText reads a duration above 0.
func (t *Timeout) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return errors.New("not a timeout; allowed: a duration above 0 with its unit, for example 500ms, 10s or 2m")
	}
	*t = Timeout(d)
	return nil
}

// A Period is a time that may be off.
type Period time.Duration

// UnmarshalText reads a duration of at least a second, or off.
func (p *Period) UnmarshalText(text []byte) error {
	if string(text) == off || string(text) == "0" {
		*p = 0
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < time.Second {
		return errors.New("not a period; allowed: a duration of at least 1s with its unit, for example 25s or 10m; off")
	}
	*p = Period(d)
	return nil
}

// A LogLevel is the least of what is logged.
type LogLevel string

// UnmarshalText reads a level that hclog knows.
func (l *LogLevel) UnmarshalText(text []byte) error {
	return oneOf(l, string(text), "trace", "debug", "info", "warn", "error", off)
}

// Level is hclog's own value.
func (l LogLevel) Level() hclog.Level { return hclog.LevelFromString(string(l)) }

// A LogFormat is how a line of the log looks.
type LogFormat string

// UnmarshalText reads text or json.
func (f *LogFormat) UnmarshalText(text []byte) error {
	return oneOf(f, string(text), "text", "json")
}

func oneOf[T ~string](into *T, value string, allowed ...T) error {
	if slices.Contains(allowed, T(value)) {
		*into = T(value)
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return fmt.Errorf("not one of the allowed values: %s", strings.Join(names, ", "))
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
