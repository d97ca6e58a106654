// Package redact hides what the log must not have of a request: cookies, tokens, passwords
// and queries.
package redact

import (
	"fmt"
	"slices"
	"strings"
)

// shownFields are those whose values the log may have: the ones that make a handshake,
// and those by which proxies are told. Others may hold cookies and tokens:
// X-Forwarded-Access-Token has one, and X-Forwarded-Uri a query.
var shownFields = []string{
	"host", "upgrade", "connection", "origin", "sec-websocket-origin", "sec-websocket-key", "sec-websocket-key1", "sec-websocket-key2",
	"sec-websocket-version", "sec-websocket-draft", "via", "forwarded", "user-agent", "content-length",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-protocol", "x-forwarded-scheme", "x-forwarded-ssl", "x-forwarded-server",
}

// Head returns a request head without what must not be shown. Names, order, spaces and the
// ends of lines stay as they are.
func Head(head string) string {
	var b strings.Builder
	first := true
	for line := range strings.Lines(head) {
		text := strings.TrimRight(line, "\r\n")
		if first {
			b.WriteString(requestLine(text))
		} else {
			b.WriteString(field(text))
		}
		b.WriteString(line[len(text):])
		first = false
	}
	return b.String()
}

// requestLine hides the query in a request line, and the user in a URL.
func requestLine(line string) string {
	method, rest, _ := strings.Cut(line, " ")
	target, version := rest, ""
	if i := strings.LastIndexByte(rest, ' '); i >= 0 {
		target, version = rest[:i], rest[i:]
	}
	path, query, asked := strings.Cut(target, "?")
	if scheme, authority, ok := strings.Cut(path, "://"); ok {
		if i := strings.IndexByte(authority, '@'); i >= 0 {
			path = scheme + "://" + Value(authority[:i]) + authority[i:]
		}
	}
	if asked {
		path += "?" + Value(query)
	}
	return method + " " + path + version
}

// Detail hides in what was wrong with a request what may be secret: a query, and the user
// of a URL.
func Detail(detail string) string {
	if before, query, ok := strings.Cut(detail, "?"); ok {
		detail = before + "?" + Value(query)
	}
	if i := strings.LastIndexByte(detail, '@'); i >= 0 {
		begin := strings.LastIndexAny(detail[:i], "/ ") + 1
		detail = detail[:begin] + Value(detail[begin:i]) + detail[i:]
	}
	return detail
}

// field hides the value of a field, or a whole line that has no field, such as a folded
// one.
func field(line string) string {
	name, value, ok := strings.Cut(line, ":")
	if !ok || strings.HasPrefix(name, " ") || strings.HasPrefix(name, "\t") {
		return Value(line)
	}
	key := strings.ToLower(strings.TrimSpace(name))
	if slices.Contains(shownFields, key) {
		return line
	}
	text := strings.TrimLeft(value, " \t")
	return name + ":" + value[:len(value)-len(text)] + Value(text)
}

// Value returns what is shown in the place of s: its length.
func Value(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("***(%d bytes)", len(s))
}
