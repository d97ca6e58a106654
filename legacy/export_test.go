package legacy

// State names what the Scanner is inside of in the words of the vectors.
func (s *Scanner) State() string {
	if s.err != nil {
		return "failed"
	}
	return [...]string{
		stateIdle: "idle", stateText: "text", stateOther: "text",
		stateLength: "length", stateSkip: "skip", stateClosed: "closed",
	}[s.state]
}
