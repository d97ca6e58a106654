package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
)

// contradictions are problems of values that are valid by themselves and cannot work
// together.
func (c *Config) contradictions() (problems Errors) {
	dialect := legacy.Dialect(c.BackendDialect)
	const legacyOnly = "it is for a backend of -76 or -75; allowed: with WS76_BACKEND_DIALECT=76 or 75"
	for _, p := range []struct {
		wrong             bool
		name, other, text string
	}{
		{c.Listen == "" && c.TLSListen == "", "WS76_LISTEN", "WS76_TLS_LISTEN", "WS76_TLS_LISTEN is off too, so there is no port for clients; allowed: off beside a WS76_TLS_LISTEN, else host:port, for example :8076"},
		{c.TLSListen == "" && os.Getenv("WS76_TLS_MIN_VERSION") != "", "WS76_TLS_MIN_VERSION", "WS76_TLS_LISTEN", "WS76_TLS_LISTEN is off, so it has no effect; allowed: with a WS76_TLS_LISTEN, for example :8443"},
		{c.Listen == "" && len(c.FlashPolicy) > 0, "WS76_FLASH_POLICY", "WS76_LISTEN", "Flash asks for the policy without TLS, and WS76_LISTEN is off; allowed: with a WS76_LISTEN, for example :8076"},
		{c.Admin == "" && c.Inspect == "on", "WS76_INSPECT", "WS76_ADMIN", "WS76_ADMIN is off, so there is no port for the page; allowed: with a WS76_ADMIN, for example 127.0.0.1:9076"},
		{c.ProxyProtocol == "required" && len(c.TrustedProxies) == 0, "WS76_TRUSTED_PROXIES", "WS76_PROXY_PROTOCOL", "WS76_PROXY_PROTOCOL=required accepts PROXY headers from trusted proxies only, so nobody could connect; allowed: the networks of the proxies, for example 10.0.0.0/8"},
		{c.BackendOrigin != "" && !dialect.Legacy(), "WS76_BACKEND_ORIGIN", "WS76_BACKEND_DIALECT", legacyOnly},
		{c.BackendLax == "on" && !dialect.Legacy(), "WS76_BACKEND_LAX", "WS76_BACKEND_DIALECT", legacyOnly},
		{c.BinaryUp != off && dialect.Legacy(), "WS76_BINARY_UP", "WS76_BACKEND_DIALECT", fmt.Sprintf("a backend of -%s has no binary messages; allowed: base64 with WS76_BACKEND_DIALECT=13", dialect)},
		{c.KeepaliveText != "" && c.PingInterval == 0, "WS76_KEEPALIVE_TEXT", "WS76_PING_INTERVAL", "WS76_PING_INTERVAL is off, so it is never sent; allowed: with a WS76_PING_INTERVAL, for example 25s"},
		{c.DrainDelay >= Period(c.DrainTimeout) && c.DrainDelay > 0, "WS76_DRAIN_DELAY", "WS76_DRAIN_TIMEOUT", fmt.Sprintf("it leaves nothing of WS76_DRAIN_TIMEOUT=%s to close connections; allowed: less than that, for example 5s", time.Duration(c.DrainTimeout))},
	} {
		if p.wrong {
			problems = append(problems, Invalid(p.name, os.Getenv(p.name), "%s", p.text).About(p.other))
		}
	}
	return append(problems, c.samePorts()...)
}

// samePorts are the problems of ports of ours that are given twice, or to the backend.
func (c *Config) samePorts() (problems Errors) {
	own := []struct {
		name    string
		address Address
	}{{"WS76_LISTEN", Address(c.Listen)}, {"WS76_TLS_LISTEN", c.TLSListen}, {"WS76_ADMIN", c.Admin}}
	for i, port := range own {
		if samePort(c.Backend.Address, string(port.address)) {
			problems = append(problems, Invalid("WS76_BACKEND", c.Backend.Address, "ws76 itself listens on %s, so it would connect to itself for ever; allowed: where the app listens, for example http://127.0.0.1:8080", port.address).About(port.name))
		}
		for _, other := range own[:i] {
			if samePort(string(other.address), string(port.address)) {
				problems = append(problems, Invalid(port.name, string(port.address), "%s is the same port; allowed: another one, for example 127.0.0.1:9076", other.name).About(other.name))
			}
		}
	}
	return problems
}

// samePort reports whether two addresses are one port of this machine, as far as
// that is known without resolving names. Port 0 is any.
func samePort(a, b string) bool {
	if strings.HasPrefix(a, unixPrefix) {
		return a == b
	}
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	if strings.EqualFold(hostA, hostB) {
		return true
	}
	addrA, hereA := isHere(hostA)
	addrB, hereB := isHere(hostB)
	return hereA && hereB && !(addrA.IsLoopback() && addrB.IsLoopback() && addrA != addrB)
}

// isHere reports whether a host is surely this machine. The address is zero for
// localhost, which may have several.
func isHere(host string) (addr netip.Addr, here bool) {
	if host == "" || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return addr, true
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap(), err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}
