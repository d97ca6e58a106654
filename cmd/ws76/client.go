package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/reach"
)

var tlsVersions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// clientFlags adds the flags that probe and connect have in common.
func clientFlags(flags *flag.FlagSet, place *reach.Place, origin, protocol *string) {
	place.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	flags.StringVar(origin, "origin", "", "the `origin` of the page that opens the URL (default: that of the URL)")
	flags.StringVar(protocol, "protocol", "", "the `subprotocol` to ask for, or a list separated by commas")
	flags.BoolVar(&place.TLS.InsecureSkipVerify, "insecure", false, "accept any certificate")
	flags.Func("min-tls", "lowest `version` of TLS to offer, 1.0 to 1.3, below 1.2 with the ciphers of its time (default 1.2)", func(s string) error {
		v, ok := tlsVersions[s]
		if !ok {
			return errors.New("allowed: 1.0, 1.1, 1.2, 1.3")
		}
		place.TLS.MinVersion = v
		return nil
	})
}

// parseClient takes flags before and behind the URL.
func parseClient(flags *flag.FlagSet, args []string, place *reach.Place, origin, protocol *string) error {
	verb := flags.Name()
	urls, err := parseFlags(flags, args)
	if err != nil {
		return err
	}
	if len(urls) != 1 {
		return usagef("%s takes one URL, not %q; see ws76 help %s", verb, urls, verb)
	}
	if place.URL, err = reach.ParseURL(urls[0]); err != nil {
		return usagef("%s: %q: %w", verb, urls[0], err)
	}
	if !isPrintable(*origin + *protocol) {
		return usagef("%s: -origin and -protocol are printable ASCII", verb)
	}
	if place.TLS.MinVersion < tls.VersionTLS12 {
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			place.TLS.CipherSuites = append(place.TLS.CipherSuites, suite.ID)
		}
	}
	return nil
}

// isPrintable reports whether s is printable ASCII.
func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
