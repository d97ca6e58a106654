package main

import (
	"fmt"
	"net/http"

	"github.com/ws76/ws76/translate"
)

// adminHandler answers /healthz while the process lives, and /readyz while new
// connections are accepted.
func adminHandler(gateway *translate.Gateway) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if gateway.Draining() {
			http.Error(w, "draining: no new connections are accepted", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}
