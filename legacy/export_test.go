package legacy

// State names what the Scanner is inside of in the words of the vectors.
func (s *Scanner) State() string {
	if s.err != nil {
		return "failed"
	}
	return [...]string{
		stateBoundary: "idle", stateText: "text", stateOther: "text",
		stateLength: "length", stateSkip: "skip", stateClosed: "closed",
	}[s.state]
}

// NewHandshakeError makes an error that NewHandshake or Accept would return.
func NewHandshakeError(reason, detail string, cause error) *HandshakeError {
	return &HandshakeError{reason, detail, cause}
}

// NewFrameError makes an error that a Scanner would return.
func NewFrameError(reason string, offset int64) *FrameError {
	return &FrameError{Offset: offset, reason: reason}
}
