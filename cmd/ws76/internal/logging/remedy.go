package logging

import "github.com/ws76/ws76/cmd/ws76/internal/check"

// remedies say for a reason what to change, if it is for whoever runs the gateway.
var remedies = map[string]string{
	"dialect-not-allowed":  "WS76_DIALECTS, if this version is to be let in",
	"origin-not-allowed":   "WS76_ORIGINS, if pages of this origin may connect",
	"too-many-connections": "WS76_MAX_CONNECTIONS and memory with it, or add replicas",
	"too-many-of-client":   "WS76_MAX_CONNECTIONS_PER_CLIENT; if all clients are counted as one proxy, WS76_TRUSTED_PROXIES",
	"too-many-handshakes":  "WS76_MAX_HANDSHAKES, or add replicas",
	"head-too-large":       "WS76_MAX_HEAD",
	"head-timeout":         "WS76_HEAD_TIMEOUT, for slow clients",
	"key3-timeout":         "a proxy in front that holds back key3 (ws76 probe finds out); WS76_KEY3_TIMEOUT for slow clients",
	"client-slow":          "WS76_WRITE_TIMEOUT, if such clients are to stay",
	"backend-slow":         "the app, which does not read; WS76_WRITE_TIMEOUT, if it needs longer",
	"backend-silent":       "the app, which does not answer Pings because it does not read; WS76_PING_INTERVAL=off, if it never does",
	"backend-timeout":      "the app, which does not answer in time; WS76_DIAL_TIMEOUT, if it needs longer",
	"out-of-resources":     "file descriptors (ulimit -n) or ports (net.ipv4.ip_local_port_range): cmd/ws76/README.md, Scale",
	"message-too-big":      "WS76_MAX_MESSAGE",
	"skip-too-big":         "WS76_MAX_SKIP",
	"binary-message":       "the app, to send text messages (with npm ws 8: ws.send(data.toString())), or the page where the backend is of -76 or -75; WS76_BINARY=base64 or drop carry on without",
	"bad-answer":           "WS76_BACKEND_DIALECT, WS76_BACKEND_ORIGIN or WS76_BACKEND_LAX: ws76 check -backend says which",
	"idle":                 "WS76_IDLE_TIMEOUT",
}

// remedy says what to change about a line of the log, empty if it says so itself or there
// is nothing.
func remedy(args []any, backend string) string {
	reason := text(args, "reason")
	if reason == "" || value(args, "change") != nil {
		return ""
	}
	if reason == "backend-unreachable" || reason == "backend-bad-answer" {
		if err, ok := value(args, "error").(error); ok {
			return check.Hint(backend, err)
		}
	}
	if reason == "backend-refused" && value(args, "status") == 400 {
		return check.SpeaksTLS
	}
	return RemedyFor(reason)
}

// RemedyFor says for a reason what to change, empty if there is nothing.
func RemedyFor(reason string) string { return remedies[reason] }
