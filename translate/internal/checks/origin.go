package checks

import (
	"net/url"
	"slices"
	"strings"
)

// AllowsOrigin reports whether an origin is among those allowed: exactly, or by a suffix of
// its host behind a *. A nil list allows any.
func AllowsOrigin(list []string, origin string) bool {
	return list == nil || slices.ContainsFunc(list, func(allowed string) bool {
		if suffix, wild := strings.CutPrefix(allowed, "*"); wild {
			return strings.HasSuffix(hostOf(origin), strings.ToLower(suffix))
		}
		return strings.EqualFold(origin, allowed)
	})
}

// hostOf returns the host of an origin, without scheme and port.
func hostOf(origin string) string {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil {
		return ""
	}
	return u.Hostname()
}
