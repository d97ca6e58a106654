package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// contradictions are values that are right and do not go together.
func (c *Config) contradictions() (problems []error) {
	note := func(name, format string, args ...any) {
		problems = append(problems, wrong(name, os.Getenv(name), fmt.Errorf(format, args...)))
	}
	if c.Listen == "" && c.TLSListen == "" {
		note("WS76_LISTEN", "there is no WS76_TLS_LISTEN either, so there is no port for clients; allowed: off beside a WS76_TLS_LISTEN, else host:port, for example :8076")
	}
	problems = append(problems, c.samePorts()...)
	if c.TLSListen == "" && os.Getenv("WS76_TLS_MIN_VERSION") != "" {
		note("WS76_TLS_MIN_VERSION", "there is no port of TLS that it is for; allowed: with a WS76_TLS_LISTEN, for example :8443")
	}
	if c.Listen == "" && len(c.FlashPolicy) > 0 {
		note("WS76_FLASH_POLICY", "Flash asks for it without TLS, and WS76_LISTEN is off; allowed: with a WS76_LISTEN, for example :8076")
	}
	if c.ProxyProtocol == "required" && len(c.TrustedProxies) == 0 {
		note("WS76_TRUSTED_PROXIES", "WS76_PROXY_PROTOCOL=required takes PROXY headers from trusted proxies only, so nobody could connect; allowed: the networks that they are in, for example 10.0.0.0/8")
	}
	if c.DrainDelay >= Period(c.DrainTimeout) && c.DrainDelay > 0 {
		note("WS76_DRAIN_DELAY", "nothing of WS76_DRAIN_TIMEOUT=%s would be left to close connections; allowed: less than that, for example 5s", time.Duration(c.DrainTimeout))
	}
	return problems
}

// samePorts are ports of our own that are given twice, or to the backend.
func (c *Config) samePorts() (problems []error) {
	own := []struct {
		name    string
		address Address
	}{{"WS76_LISTEN", c.Listen}, {"WS76_TLS_LISTEN", c.TLSListen}, {"WS76_ADMIN", c.Admin}}
	for i, port := range own {
		if samePort(c.Backend.Address, string(port.address)) {
			problems = append(problems, wrong("WS76_BACKEND", c.Backend.Address, fmt.Errorf("that is ws76's own port %s, so it would ask itself for ever; allowed: where the app listens, for example http://127.0.0.1:8080", port.address)))
		}
		for _, other := range own[:i] {
			if samePort(string(other.address), string(port.address)) {
				problems = append(problems, wrong(port.name, string(port.address), errors.New(other.name+" is the same port; allowed: another one, for example 127.0.0.1:9076")))
			}
		}
	}
	return problems
}

// samePort reports whether two addresses are one port of this machine, as far as
// that can be told without asking. Port 0 is any.
func samePort(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	if strings.EqualFold(hostA, hostB) {
		return true
	}
	addrA, hereA := hereIs(hostA)
	addrB, hereB := hereIs(hostB)
	return hereA && hereB && !(addrA.IsLoopback() && addrB.IsLoopback() && addrA != addrB)
}

// hereIs reports whether a host is surely this machine; the address is the zero
// one for localhost, which may be several.
func hereIs(host string) (addr netip.Addr, here bool) {
	if host == "" || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return addr, true
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap(), err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}
