package relay

// run owns the flow until its source has ended, or is given up, or can be left to the
// Poller.
func (f *flow) run() {
	var wait []byte
	if !f.src.bare {
		wait = make([]byte, waitSize)
	}
	// step takes turns until there is nothing to read. It returns true when there is
	// something to do that may wait. Inside here it is one call less on the stack.
	step := func(fd uintptr) (leave bool) {
		for {
			switch f.turn(fd) {
			case trouble:
				return true
			case nothing:
				f.rests()
				f.idle = f.isSteady()
				return f.arm() || f.idle
			}
			f.yield()
		}
	}
	for f.attend(); !f.ended(); f.attend() {
		switch {
		case f.idle && f.park():
			return
		case wait != nil:
			f.readBuffered(wait)
		default:
			f.noteEnd(f.src.base.Raw().Read(step)) // and step reads when there is something
		}
	}
	f.end()
}

// begin carries what had been read before.
func (f *flow) begin() {
	rest := f.rest
	f.rest = nil
	for len(rest) > 0 && f.err == nil {
		f.acquire()
		n := copy(f.in[f.n:], rest)
		f.n, rest = f.n+n, rest[n:]
		f.move()
		f.settle()
	}
	f.release()
}

// noteEnd notes how a read ended.
func (f *flow) noteEnd(err error) {
	if isTimeout(err) {
		f.timedOut()
	} else if err != nil {
		f.readErr = err
	}
}

// readBuffered is for a connection that must be read to know whether there is
// something: the wait is in a small buffer, a large one follows when that filled.
func (f *flow) readBuffered(wait []byte) {
	if f.large {
		f.yield()
		f.acquire()
	} else {
		f.rests()
		f.release()
	}
	if f.arm() {
		return
	}
	b := wait
	if f.in != nil {
		b = f.room()
	}
	n, err := f.src.conn.Read(b)
	f.large = n >= waitSize // false after a timeout
	if n > 0 {
		if f.in == nil {
			f.acquire()
			copy(f.in[f.n:], wait[:n])
		}
		f.received(n)
		f.move()
		f.weigh(n)
	}
	f.noteEnd(err)
}
