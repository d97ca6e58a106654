package config

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
)

var (
	userinfo = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)?.*@`)
	query    = regexp.MustCompile(`[?#].*`)
	// shortPath matches a path and no key: base64 and hex have no dot, and a key of 32
	// bytes in them is longer than 31 characters.
	// keyLike matches what no other setting has, but a key in its place: PEM, or a long run
	// of base64 or hex that is not the path of a URL.
	keyLike   = regexp.MustCompile(`-----BEGIN|[\r\n]|^[^:]*[A-Za-z0-9+/=_-]{40}`)
	shortPath = regexp.MustCompile(`^(/[\w./@~+-]{0,30}|[\w/@~+-]*\.[\w./@~+-]*)$`)
)

// Mask returns what a log may show of the value of a variable: of PEM variables, any of
// which may have been given the key by mistake, and of paths of secrets a short path; of
// secrets nothing; and of others no user, password or query of a URL, and nothing of what
// looks like a key that was given to the wrong variable.
func Mask(name, value string) string {
	field, _ := fieldOf(name)
	switch {
	case value == "":
		return ""
	case !mayBeFile(field) && keyLike.MatchString(value):
		return hidden(value)
	case !mayBeFile(field):
		return query.ReplaceAllString(userinfo.ReplaceAllString(value, "${1}***@"), "?***")
	case field.Type == reflect.TypeFor[Secret]() && name == variableName(field), len(value) > 100, !shortPath.MatchString(value):
		return hidden(value)
	}
	return value
}

func hidden(value string) string { return fmt.Sprintf("***(%d bytes)", len(value)) }

// withoutPath removes the path from an error, because it may be the secret.
func withoutPath(err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		return path.Err
	}
	return err
}
