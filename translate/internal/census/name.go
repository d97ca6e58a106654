package census

import (
	"net/http"
	"strings"
	"unique"
)

// maxField is how many bytes of a field are kept of each client.
const maxField = 256

// cut is at most maxField bytes of s.
func cut(s string) string { return s[:min(len(s), maxField)] }

// A Name is what the log says about a client besides its address. Many clients have the
// same, which is then held once.
type Name struct{ forwardedFor, userAgent, origin unique.Handle[string] }

// NameOf returns the name of the client of r. Its X-Forwarded-For counts if a trusted proxy
// sent it. If it is long, the end is kept, which is what proxies wrote; what stands before
// it, anybody can write.
func NameOf(r *http.Request, origin string, trusted bool) Name {
	list := ""
	if trusted {
		list = strings.Join(r.Header["X-Forwarded-For"], ", ")
	}
	return Name{unique.Make(list[max(0, len(list)-maxField):]), unique.Make(cut(r.UserAgent())), unique.Make(cut(origin))}
}

// ForwardedFor returns what trusted proxies say the client is, empty if none does.
func (n Name) ForwardedFor() string { return n.forwardedFor.Value() }

// All calls yield with the key and the value of each part that there is.
func (n Name) All(yield func(key, value string) bool) {
	for _, part := range []struct {
		key   string
		value unique.Handle[string]
	}{{"forwarded_for", n.forwardedFor}, {"user_agent", n.userAgent}, {"origin", n.origin}} {
		if part.value != (unique.Handle[string]{}) && part.value.Value() != "" && !yield(part.key, part.value.Value()) {
			return
		}
	}
}
