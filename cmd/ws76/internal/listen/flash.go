package listen

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// flashPolicyRequest is what Flash sends on a connection of its own, in clear even
// if it goes on with TLS, before it opens a socket to a port of another origin.
const flashPolicyRequest = "<policy-file-request/>\x00"

// flashPolicy is the answer to flashPolicyRequest: pages of these domains (a name, or a
// pattern such as *.example.com or *) may connect to any port that the port it
// is served from may grant: one of 1024 and above grants only such.
func flashPolicy(domains ...string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><cross-domain-policy>`)
	for _, domain := range domains {
		var escaped strings.Builder
		xml.EscapeText(&escaped, []byte(domain))
		fmt.Fprintf(&b, `<allow-access-from domain="%s" to-ports="*"/>`, &escaped)
	}
	b.WriteString("</cross-domain-policy>\x00")
	return []byte(b.String())
}
