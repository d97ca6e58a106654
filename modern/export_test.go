package modern

// Rotate makes rotate visible to the tests.
func (k Key) Rotate(n int) Key { return k.rotate(n) }

// NewProtocolError makes an error that a Scanner would return.
func NewProtocolError(reason string, code uint16, offset int64) *ProtocolError {
	return &ProtocolError{Code: code, Offset: offset, reason: reason}
}

// NewDialError makes an error that Dial would return.
func NewDialError(reason string, cause error) *DialError { return &DialError{reason, cause} }
