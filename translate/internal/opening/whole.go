package opening

import (
	"io"
	"net/http"
	"time"

	"github.com/ws76/ws76/legacy"
)

// IsWhole reports whether an opening handshake was legal HTTP, and all of it has been read:
// the key3 of -76 too, for which it waits if Content-Length: 8 announces it. head is the
// request's as it was received.
func IsWhole(w http.ResponseWriter, r *http.Request, d legacy.Dialect, head []byte) bool {
	if legacy.CheckHead(head) != nil || legacy.CheckBody(r, d) != nil {
		return false
	}
	return d != legacy.Hixie76 || readDeclaredKey3(w, r)
}

func readDeclaredKey3(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength != 8 {
		return false
	}
	rc := http.NewResponseController(w)
	if rc.SetReadDeadline(time.Now().Add(declaredWait)) != nil {
		return false
	}
	defer rc.SetReadDeadline(time.Time{})
	n, err := io.Copy(io.Discard, r.Body)
	return n == 8 && err == nil
}
