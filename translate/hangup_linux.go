package translate

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// watchAfter is the read after which a source is watched: a short connection
// is over sooner.
const watchAfter = 8

// A watch is where a gateway hears that the other sides of its sockets have
// ended or reset TCP.
//
// A read that does not fill its buffer has taken all there was (epoll(7); after
// urgent data, all there was before it), but not the end: that may have come
// with the data, and a pump is not told of it again. So each read needs a
// second one, which finds nothing, unless the end is heard of here.
type watch struct {
	mu    sync.Mutex
	file  *os.File // of epoll; nil until there is somebody to watch
	epoll int
	last  uint64
	peers map[uint64]*peer // by the numbers that epoll has for them, of which none comes twice
}

// A hangup is what a peer knows of its end from a watch.
type hangup struct {
	number uint64 // 0 if it is not watched; for who reads from the peer
	heard  atomic.Bool
}

// willBeTold reports whether who waits to read is told of the end even if it
// is there already.
func (h *hangup) willBeTold() bool { return h.number != 0 && !h.heard.Load() }

// add is for who reads from p. A peer that cannot be watched is read twice.
func (w *watch) add(p *peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil && !w.start() {
		return
	}
	w.last++
	e := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(w.last), Pad: int32(w.last >> 32)}
	if syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_ADD, int(p.fd), &e) == nil {
		w.peers[w.last] = p
		p.hangup.number = w.last
	}
}

// remove is for who closes p.
func (w *watch) remove(p *peer) {
	if p.hangup.number != 0 {
		w.mu.Lock()
		delete(w.peers, p.hangup.number)
		w.mu.Unlock()
	}
}

func (w *watch) start() bool {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	syscall.SetNonblock(fd, true) // or waiting for it would take a thread
	file := os.NewFile(uintptr(fd), "epoll")
	if file.SetReadDeadline(time.Time{}) != nil { // the poller could not take it (fs.epoll.max_user_watches)
		file.Close()
		return false
	}
	w.file, w.epoll, w.peers = file, fd, map[uint64]*peer{}
	go w.run()
	return true
}

// stop is for when nobody is watched any more.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file != nil {
		w.file.Close()
	}
}

func (w *watch) run() {
	var events [64]syscall.EpollEvent
	raw, err := w.file.SyscallConn()
	for err == nil {
		n := 0
		err = raw.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		for _, e := range events[:n] {
			if p := w.peer(uint64(uint32(e.Pad))<<32 | uint64(uint32(e.Fd))); p != nil {
				p.hungUp()
			}
		}
	}
}

func (w *watch) peer(number uint64) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peers[number]
}

// hungUp wakes who waits to read from p, and has him read to the end. What is
// shut down here has ended, so it is only the waking that this does.
func (p *peer) hungUp() {
	p.hangup.heard.Store(true)
	p.raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RD) })
}
