package census

// Traffic is messages and their bytes, up to the backend and down from it.
type Traffic struct {
	MessagesUp, BytesUp     int64
	MessagesDown, BytesDown int64
}

// Plus returns the sums of each two numbers.
func (t Traffic) Plus(o Traffic) Traffic {
	return Traffic{t.MessagesUp + o.MessagesUp, t.BytesUp + o.BytesUp, t.MessagesDown + o.MessagesDown, t.BytesDown + o.BytesDown}
}

// AtLeast returns the larger of each two numbers.
func (t Traffic) AtLeast(o Traffic) Traffic {
	return Traffic{max(t.MessagesUp, o.MessagesUp), max(t.BytesUp, o.BytesUp), max(t.MessagesDown, o.MessagesDown), max(t.BytesDown, o.BytesDown)}
}

// Without leaves out the last bytes of each direction, and their share of the messages: at
// least one.
func (t Traffic) Without(up, down int64) Traffic {
	t.MessagesUp, t.BytesUp = without(t.MessagesUp, t.BytesUp, up)
	t.MessagesDown, t.BytesDown = without(t.MessagesDown, t.BytesDown, down)
	return t
}

func without(messages, bytes, last int64) (int64, int64) {
	if last == 0 {
		return messages, bytes
	}
	left := max(0, bytes-last)
	if messages == 0 || left == 0 {
		return 0, left
	}
	share := float64(left) / float64(bytes)
	return min(messages-1, int64(float64(messages)*share)), left
}
