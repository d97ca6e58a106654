package session

// The reasons of ends, besides those of legacy.FrameError and modern.ProtocolError, and
// admission.ShuttingDown.
const (
	ClientClosed  = "client-closed"
	ClientGone    = "client-gone"
	ClientCut     = "client-cut"
	ClientSlow    = "client-slow"
	ClientSilent  = "client-silent"
	ClientEnded   = "client-ended"
	BackendClosed = "backend-closed"
	BackendGone   = "backend-gone"
	BackendSlow   = "backend-slow"
	BackendSilent = "backend-silent"
	BackendEnded  = "backend-ended"
	InvalidUTF8   = "text-utf8"
	BinaryMessage = "binary-message"
	InvalidBase64 = "bad-base64"
	Idle          = "idle"
)

var descriptions = map[string]string{
	ClientClosed:  "the client closed in the way of its dialect",
	ClientGone:    "the client closed TCP between two messages without a closing handshake, as most browsers with -76 do",
	ClientCut:     "the client's connection broke, or ended inside a message",
	ClientSlow:    "the client did not take what was sent to it in time",
	ClientSilent:  "the client did not answer a Ping in time",
	ClientEnded:   "the client ended its half of the tunnel, and nobody had sent a Close frame",
	BackendClosed: "the backend closed",
	BackendGone:   "the backend's connection ended without a closing handshake",
	BackendSlow:   "the backend did not take what was sent to it in time",
	BackendSilent: "the backend did not answer a Ping in time",
	BackendEnded:  "the backend ended its half of the tunnel, and nobody had sent a Close frame",
	InvalidUTF8:   "a text message of RFC 6455 is not UTF-8",
	BinaryMessage: "a binary message came, which -75 and -76 cannot carry",
	InvalidBase64: "a message that was to be base64 is not (WS76_BINARY_UP)",
	Idle:          "no message passed in either direction for too long",
}

// Describe says what a reason of these means. For another word it is empty.
func Describe(reason string) string { return descriptions[reason] }
