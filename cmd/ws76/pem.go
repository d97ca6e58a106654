package main

import (
	"errors"
	"os"
	"strings"
	"unicode"
)

// PEM is certificates or a key: the path of a file, or the text itself.
type PEM string

// UnmarshalText reads a path or PEM text. The file is not looked at: health
// must work while it is being replaced.
func (p *PEM) UnmarshalText(text []byte) error {
	*p = PEM(text)
	if !p.inline() && strings.ContainsFunc(string(text), unicode.IsControl) {
		return errors.New("not a path" + allowedPEM)
	}
	return nil
}

const allowedPEM = "; allowed: the path of a PEM file that can be read, or its text, for example /etc/ws76/tls.pem"

// inline reports whether it is the text.
func (p PEM) inline() bool { return strings.HasPrefix(string(p), "-----BEGIN ") }

func (p PEM) read() ([]byte, error) {
	if p.inline() {
		return []byte(p), nil
	}
	return os.ReadFile(string(p))
}

// stat is of the file; nil if there is none.
func (p PEM) stat() os.FileInfo {
	if p.inline() {
		return nil
	}
	info, err := os.Stat(string(p))
	if err != nil {
		return nil
	}
	return info
}
