package translate

import (
	"net/http"
	"strconv"
)

// maxForwards is how many more proxies a TRACE or OPTIONS may pass (RFC 9110
// section 7.6.2); limited is false if that is not said.
func maxForwards(r *http.Request) (n uint64, limited bool) {
	if r.Method != http.MethodTrace && r.Method != http.MethodOptions {
		return 0, false
	}
	n, err := strconv.ParseUint(r.Header.Get("Max-Forwards"), 10, 31)
	return n, err == nil
}

// answerHere is the answer to a request that may pass no proxy. A TRACE would
// show the client's cookies to scripts.
func answerHere(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodTrace {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
